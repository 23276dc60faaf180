/** Every block of the README compiles as it is written. */

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));
const FOLDER = join(ROOT, "build", "readme");

test("the README's blocks compile", async () => {
  const readme = await readFile(join(ROOT, "README.md"), "utf8");
  const blocks = [...readme.matchAll(/^```ts\n(.*?)^```$/gms)].map((found) => found[1] ?? "");
  assert.ok(blocks.length > 5);
  await rm(FOLDER, { recursive: true, force: true });
  await mkdir(FOLDER);
  await Promise.all(blocks.map((block, index) => writeFile(join(FOLDER, `block-${index + 1}.ts`), block)));
  const paths = { "sea-mq": ["../../src/index.ts"], "sea-mq/testing": ["../../src/testing.ts"] };
  const compilerOptions = { noEmit: true, rootDir: "../..", paths };
  await writeFile(
    join(FOLDER, "tsconfig.json"),
    JSON.stringify({ extends: "../../tsconfig.json", compilerOptions, include: ["*.ts"], exclude: [] }),
  );
  const compiled = promisify(execFile)(join(ROOT, "node_modules", ".bin", "tsc"), ["-p", FOLDER]);
  await compiled.catch((error: { stdout: string }) => assert.fail(error.stdout));
});
