/** The inverse of `packing.py`: planes of bytes, folded differences, whole numbers. */

async function inflated(bytes: Uint8Array): Promise<Uint8Array> {
  const stream = new Blob([bytes as BlobPart]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** The columns of a table of `rows` numbers of 2 bytes each, one after the other. */
export async function unpacked16(bytes: Uint8Array, rows: number, columns: number): Promise<Uint16Array> {
  const planes = await inflated(bytes);
  const count = rows * columns;
  if (planes.length !== 2 * count) throw new Error(`${planes.length} bytes for ${count} numbers of 2 bytes`);
  const values = new Uint16Array(count);
  for (let column = 0, at = 0; column < columns; column++) {
    let value = 0;
    for (let row = 0; row < rows; row++, at++) {
      const folded = planes[at] | (planes[count + at] << 8);
      value = (value + ((folded >>> 1) ^ -(folded & 1))) & 0xffff;
      values[at] = value;
    }
  }
  return values;
}

/** The same for numbers of 4 bytes. */
export async function unpacked32(bytes: Uint8Array, rows: number, columns: number): Promise<Uint32Array> {
  const planes = await inflated(bytes);
  const count = rows * columns;
  if (planes.length !== 4 * count) throw new Error(`${planes.length} bytes for ${count} numbers of 4 bytes`);
  const values = new Uint32Array(count);
  for (let column = 0, at = 0; column < columns; column++) {
    let value = 0;
    for (let row = 0; row < rows; row++, at++) {
      const high = (planes[2 * count + at] << 16) | (planes[3 * count + at] << 24);
      const folded = planes[at] | (planes[count + at] << 8) | high;
      value = (value + ((folded >>> 1) ^ -(folded & 1))) | 0;
      values[at] = value;
    }
  }
  return values;
}

/** The bytes that an element of the page holds; the element is emptied, its text would take memory for nothing. */
export function embeddedBytes(id: string): Uint8Array {
  const element = document.getElementById(id);
  if (!element) throw new Error(`the page has no block ${id}`);
  const text = element.textContent ?? "";
  element.textContent = "";
  const native = (Uint8Array as unknown as { fromBase64?: (text: string) => Uint8Array }).fromBase64;
  if (native) return native.call(Uint8Array, text);
  const chars = atob(text);
  const bytes = new Uint8Array(chars.length);
  for (let at = 0; at < chars.length; at++) bytes[at] = chars.charCodeAt(at);
  return bytes;
}

/** The parts of a block, each preceded by its length in 4 bytes. */
export function parts(block: Uint8Array): Uint8Array[] {
  const view = new DataView(block.buffer, block.byteOffset, block.byteLength);
  const found: Uint8Array[] = [];
  for (let at = 0; at < block.length; ) {
    const size = view.getUint32(at, true);
    found.push(block.subarray(at + 4, at + 4 + size));
    at += 4 + size;
  }
  return found;
}
