import { readFileSync } from "node:fs";

const FORM = "`whsec_` and the base64 of 24 to 64 bytes";

/** The keys of secrets as they are written. Throws TypeError, which does not show them, when one is no secret. */
export function keysOf(secrets: readonly string[]): Buffer[] {
  return secrets.map((secret, index) => {
    const key = keyOf(secret);
    if (key === null) throw new TypeError(`secret ${index + 1} of ${secrets.length}: must be ${FORM}`);
    return key;
  });
}

/**
 * The secrets that the environment names: HANDLER_SECRET, several apart by spaces, or the same in the file
 * HANDLER_SECRET_FILE. None when neither is set; throws TypeError when both are, or the one that is has none.
 */
export function secretsFrom(environment: Readonly<Record<string, string | undefined>>): string[] {
  const text = environment["HANDLER_SECRET"] ?? "";
  const file = environment["HANDLER_SECRET_FILE"] ?? "";
  if (text !== "" && file !== "") throw new TypeError("set either HANDLER_SECRET or HANDLER_SECRET_FILE, not both");
  const secrets = file === "" ? wordsOf(text) : secretsIn(file);
  // Set, and yet nothing would be asked for: a handler that takes everybody's calls by mistake.
  if (text !== "" && secrets.length === 0) throw new TypeError("HANDLER_SECRET: holds no secret");
  return secrets;
}

function secretsIn(file: string): string[] {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (error) {
    // Its text shows the path; a secret put where its file's path belongs must not be repeated.
    const { code } = error as { code?: string };
    throw new TypeError(`HANDLER_SECRET_FILE: the file cannot be read (${code ?? "unknown"})`);
  }
  const secrets = wordsOf(text);
  if (secrets.length === 0) throw new TypeError("HANDLER_SECRET_FILE: the file is empty");
  return secrets;
}

function wordsOf(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== "");
}

function keyOf(secret: string): Buffer | null {
  if (!secret.startsWith("whsec_")) return null;
  const written = secret.slice("whsec_".length);
  const key = Buffer.from(written, "base64");
  const whole = key.toString("base64") === written;
  return whole && key.length >= 24 && key.length <= 64 ? key : null;
}
