"""Mutations that know nothing of a format, and the odd numbers and texts that all others use."""

from __future__ import annotations

from random import Random

ODD_NUMBERS = (
    *("-1", "0", "1", "2", "3", "7", "255", "256", "32768", "65535", "65536", "2147483647", "2147483648", "4294967295"),
    *("-2147483649", "9223372036854775808", "9" * 40, "9" * 5000, "1e999", "-1e999", "nan", "-nan", "inf", "1e-320"),
    *("1e38", "1e-38", "0.0", "-0.0", "0x10", "1_0", "１２", "1,5", "1.5.5", "", " ", "1e5", "00012", "+5", "٣", "½"),
)
ODD_TEXTS = (
    *("", " ", "\0", "\n", "A" * 70_000, "é", "日本", "\ud800".encode("utf-8", "surrogatepass").decode("latin-1")),
    *(
        "../../etc/passwd",
        "/etc/passwd",
        "%s%n",
        "{0}",
        "'; --",
        "<b>",
        "&lt;",
        "\u202eabc",
        "\r\n",
        "\x1b[31m",
        "None",
    ),
)
ODD_BYTES = (b"\x00", b"\xff", b"\x7f", b"\x80", b"\xff\xff\xff\xff", b"\x00\x00\x00\x80", b"\xff\xff\xff\x7f", b"\n")


def number(random: Random) -> str:
    """A number as text that a reader may stumble over."""
    return random.choice(ODD_NUMBERS)


def text(random: Random) -> str:
    """A text that a reader may stumble over."""
    return random.choice(ODD_TEXTS)


def place(random: Random, length: int, head: int) -> int:
    """Somewhere in the bytes, in three of four cases in the first `head`, where headers lie."""
    most = min(length, head) if random.random() < 0.75 else length
    return random.randrange(max(most, 1))


def flip_bits(random: Random, data: bytes, head: int) -> tuple[bytes, str]:
    """One to eight bits turned round."""
    new = bytearray(data)
    places = [place(random, len(data), head) for _ in range(random.choice((1, 1, 1, 2, 4, 8)))]
    for at in places:
        new[at] ^= 1 << random.randrange(8)
    return bytes(new), f"flipped bits at {places}"


def overwrite(random: Random, data: bytes, head: int) -> tuple[bytes, str]:
    """Some bytes replaced by odd ones or by noise."""
    at = place(random, len(data), head)
    piece = random.choice(ODD_BYTES) if random.random() < 0.6 else random.randbytes(random.choice((1, 2, 4, 8, 64)))
    return data[:at] + piece + data[at + len(piece) :], f"overwrote {len(piece)} bytes at {at}"


def insert(random: Random, data: bytes, head: int) -> tuple[bytes, str]:
    """Bytes pushed in."""
    at = place(random, len(data), head)
    piece = random.randbytes(random.choice((1, 2, 3, 4, 8, 100, 5000)))
    return data[:at] + piece + data[at:], f"inserted {len(piece)} bytes at {at}"


def remove(random: Random, data: bytes, head: int) -> tuple[bytes, str]:
    """Bytes taken out."""
    at = place(random, len(data), head)
    count = random.choice((1, 2, 3, 4, 8, 100, 5000))
    return data[:at] + data[at + count :], f"removed {count} bytes at {at}"


def repeat(random: Random, data: bytes, head: int) -> tuple[bytes, str]:
    """A piece of the file repeated, up to 200 times."""
    at = place(random, len(data), head)
    count, times = random.choice((4, 16, 64, 1024)), random.choice((2, 10, 200))
    return data[:at] + data[at : at + count] * times + data[at + count :], f"repeated {count} bytes at {at} {times} ×"


def splice(random: Random, data: bytes, head: int) -> tuple[bytes, str]:
    """A piece of the file copied over another one."""
    one, two = place(random, len(data), head), place(random, len(data), head)
    count = random.choice((2, 4, 8, 32, 256, 4096))
    piece = data[one : one + count]
    return data[:two] + piece + data[two + len(piece) :], f"spliced {len(piece)} bytes from {one} over {two}"


def blank(random: Random, data: bytes, head: int) -> tuple[bytes, str]:
    """A sector of the file lost: zeros, as after a bad copy."""
    at = place(random, len(data), head)
    count = random.choice((1, 8, 512, 4096))
    return data[:at] + bytes(min(count, len(data) - at)) + data[at + count :], f"zeroed {count} bytes at {at}"


BLIND = (flip_bits, flip_bits, flip_bits, overwrite, overwrite, insert, remove, repeat, splice, blank)


def blindly(random: Random, data: bytes, head: int = 4096) -> tuple[bytes, str]:
    """One blind mutation."""
    return random.choice(BLIND)(random, data, head)


def cut(random: Random, data: bytes) -> tuple[bytes, str]:
    """The file's end lost: anything from nothing to all of it."""
    keep = random.choice((0, 1, random.randrange(max(len(data), 1)), len(data) // 2, max(len(data) - 1, 0)))
    return data[:keep], f"cut to {keep} of {len(data)} bytes"


def lines(random: Random, body: str, separator: str = "\n") -> tuple[str, str]:
    """A text with one line lost, doubled, swapped, changed, or with one of its numbers or words replaced."""
    rows = body.split(separator)
    at = random.randrange(len(rows))
    how = random.randrange(8)
    if how == 0:
        gone = rows.pop(at)
        return separator.join(rows), f"lost the line {gone[:60]!r}"
    if how == 1:
        return separator.join([*rows[:at], rows[at], *rows[at:]]), f"doubled the line {rows[at][:60]!r}"
    if how == 2:
        other = random.randrange(len(rows))
        rows[at], rows[other] = rows[other], rows[at]
        return separator.join(rows), f"swapped lines {at} and {other}"
    words = rows[at].split(" ")
    which = random.randrange(len(words))
    new = number(random) if how < 6 else text(random)
    if how == 7 and words[which]:
        letter = random.randrange(len(words[which]))
        new = (
            words[which][:letter] + random.choice(("", "x", "0", "-", ".", "(", ")", "\t")) + words[which][letter + 1 :]
        )
    told = f"line {at}: {words[which][:40]!r} became {new[:40]!r}"
    words[which] = new
    rows[at] = " ".join(words)
    return separator.join(rows), told
