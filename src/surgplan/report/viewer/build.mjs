// Bundles the viewer into dist/viewer.js, and the licences of what is in it into dist/licences.json.
import { build } from "esbuild";
import { readFile, writeFile } from "node:fs/promises";

const made = await build({
  entryPoints: ["main.ts"],
  outfile: "dist/viewer.js",
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  charset: "ascii",
  legalComments: "none",
  metafile: true,
  logLevel: "warning",
});

const names = new Set();
for (const file of Object.keys(made.metafile.inputs)) {
  const found = /(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(file);
  if (found) names.add(found[1]);
}
const told = [];
for (const name of [...names].sort()) {
  const { version, license } = JSON.parse(await readFile(`node_modules/${name}/package.json`, "utf8"));
  told.push({ name, version, licence: license, text: await readFile(`node_modules/${name}/LICENSE`, "utf8") });
}
await writeFile("dist/licences.json", JSON.stringify(told, null, 1));
