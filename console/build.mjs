// SPDX-License-Identifier: Apache-2.0
// Makes the files of the console in a folder: one script, one style sheet, a page that names them by what is in them, and the licences of what was built in.
// Run by scripts/console. The same sources make the same bytes, wherever they lie.

import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const root = resolve(fileURLToPath(import.meta.url), "../..");
const packages = join(root, "build/console/node_modules");
const esbuild = createRequire(join(packages, "x.js"))("esbuild");
const out = resolve(process.argv[2]);

// As core/text/digest.c makes a digest of one part: its size in eight bytes, then what it is.
function version(bytes) {
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(bytes.length));
  return createHash("sha256").update(size).update(bytes).digest("hex").slice(0, 12);
}

const made = await esbuild.build({
  absWorkingDir: root,
  entryPoints: { app: "console/source/main.tsx" },
  outdir: "/",
  write: false,
  bundle: true,
  minify: true,
  format: "iife",
  target: ["es2022"],
  charset: "utf8",
  jsx: "automatic",
  jsxImportSource: "preact",
  nodePaths: [packages],
  define: { "process.env.NODE_ENV": '"production"' },
});

const files = new Map();
for (const file of made.outputFiles) files.set(file.path.replace(/^.*\//, ""), Buffer.from(file.contents));

let page = readFileSync(join(root, "console/source/index.html"), "utf8");
for (const [name, bytes] of files) page = page.replaceAll(`/console/${name}"`, `/console/${name}?v=${version(bytes)}"`);
files.set("index.html", Buffer.from(page));
files.set("icon.svg", readFileSync(join(root, "console/source/icon.svg")));
const licence = (name) => `${name} ${JSON.parse(readFileSync(join(packages, name, "package.json"))).version}\n\n${readFileSync(join(packages, name, "LICENSE"), "utf8").trim()}\n`;
files.set("licences.txt", Buffer.from(["preact", "uplot"].map(licence).join("\n\n")));

rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });
let packed = 0;
for (const [name, bytes] of files) {
  writeFileSync(join(out, name), bytes);
  packed += gzipSync(bytes, { level: 9 }).length;
}
console.log(`${out}: ${files.size} files, ${packed} bytes by gzip`);
