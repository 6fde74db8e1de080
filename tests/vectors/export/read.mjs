// Reads exported files with nothing but Node.js (24.7 or later, for Argon2), by docs/export.md alone.
//
//   node read.mjs < requests     each line {"file", "passphrase", "kind"}; answers one line each, {"opens"} or {"refused"}
import { argon2Sync, createDecipheriv, createHash, createHmac, pbkdf2Sync, scryptSync, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";

const MOST = 32 * 1024 * 1024;
const MARKS = 256;
const DEEPEST = 64;

class Refused extends Error {}
const refuse = (code) => {
  throw new Refused(code);
};

// JSON: UTF-8, each key once, bounded

const text = (bytes) => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);

function strict(bytes) {
  const source = text(bytes);
  const value = JSON.parse(source);
  const open = [];
  for (const [token, key, colon] of source.matchAll(/("(?:[^"\\]|\\.)*")(\s*:)?|[{}[\]]/g)) {
    if (token === "{" || token === "[") open.push(new Set());
    else if (token === "}" || token === "]") open.pop();
    else if (colon && open.at(-1).size === open.at(-1).add(JSON.parse(key)).size) throw new SyntaxError("a key twice");
    if (open.length > DEEPEST) throw new SyntaxError("too deep");
  }
  checkText(value);
  return value;
}

function checkText(value) {
  if (typeof value === "string" && !value.isWellFormed()) throw new SyntaxError("half a character");
  if (typeof value === "number" && !Number.isFinite(value)) throw new SyntaxError("no number");
  if (value === null || typeof value !== "object") return;
  for (const [key, member] of Object.entries(value)) {
    checkText(key);
    checkText(member);
  }
}

function envelope(bytes, isNamed) {
  try {
    if (bytes.length > MOST) throw new SyntaxError("too large");
    for (const mark of ",:[{") if (text(bytes).split(mark).length > MARKS + 1) throw new SyntaxError("too many");
    const value = strict(bytes);
    if (value === null || typeof value !== "object" || Array.isArray(value)) throw new SyntaxError("no object");
    return value;
  } catch {
    return refuse(isNamed(bytes) ? "damaged" : "not-ours");
  }
}

function canonical(value) {
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  const members = Object.keys(value).sort().map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`);
  return `{${members.join(",")}}`;
}

function unbase64(value, size) {
  const bytes = typeof value === "string" ? Buffer.from(value, "base64") : Buffer.alloc(0);
  if (typeof value !== "string" || bytes.toString("base64") !== value) refuse("damaged");
  if (size !== undefined && bytes.length !== size) refuse("damaged");
  return bytes;
}

// Ours

const FORMAT = "mcp-reconciler-export";
const LIMITS = {
  argon2id: { m_kib: [8192, 1048576], t: [1, 10], p: [1, 8] },
  scrypt: { n: [32768, 1048576], r: [8, 8], p: [1, 1] },
};

function keys(passphrase, kdf) {
  const limits = Object.hasOwn(LIMITS, kdf?.alg) ? LIMITS[kdf.alg] : refuse("damaged");
  if (Object.keys(kdf).sort().join() !== ["alg", "salt", ...Object.keys(limits)].sort().join()) refuse("damaged");
  for (const [name, [least, most]] of Object.entries(limits)) {
    if (!Number.isInteger(kdf[name]) || kdf[name] < least || kdf[name] > most) refuse("damaged");
  }
  if (kdf.alg === "scrypt" && (kdf.n & (kdf.n - 1)) !== 0) refuse("damaged");
  const salt = unbase64(kdf.salt, 16);
  const message = Buffer.from(passphrase.normalize("NFKC"), "utf8");
  return () => {
    if (kdf.alg === "scrypt") return scryptSync(message, salt, 64, { N: kdf.n, r: kdf.r, p: kdf.p, maxmem: 2 ** 31 - 1 });
    return argon2Sync("argon2id", { message, nonce: salt, tagLength: 64, memory: kdf.m_kib, passes: kdf.t, parallelism: kdf.p });
  };
}

function decrypted(key, nonce, sealed, aad, otherwise) {
  const cipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: 16 });
  if (aad) cipher.setAAD(aad);
  cipher.setAuthTag(sealed.subarray(-16));
  const plain = cipher.update(sealed.subarray(0, -16));
  try {
    return Buffer.concat([plain, cipher.final()]);
  } catch {
    return refuse(otherwise);
  }
}

function sealedValue(plain, fits) {
  try {
    const value = strict(plain);
    if (fits(value)) return value;
  } catch {
    // as below
  }
  return refuse("damaged");
}

function ours(bytes, passphrase) {
  const whole = envelope(bytes, (data) => data.includes(`"${FORMAT}"`));
  if (whole.format !== FORMAT) refuse("not-ours");
  if (Number.isInteger(whole.version) && whole.version > 1) refuse("newer-version");
  if (whole.version !== 1 || whole.cipher !== "AES-256-GCM" || typeof whole.created !== "string") refuse("damaged");
  const derive = keys(passphrase, whole.kdf);
  const [nonce, check, sha256] = [unbase64(whole.nonce, 12), unbase64(whole.check, 16), unbase64(whole.sha256, 32)];
  const ciphertext = unbase64(whole.ciphertext);
  if (ciphertext.length < 16) refuse("damaged");
  const head = Object.fromEntries(Object.entries(whole).filter(([name]) => name !== "ciphertext" && name !== "sha256"));
  const header = Buffer.from(canonical(head), "utf8");
  if (!createHash("sha256").update(header).update(ciphertext).digest().equals(sha256)) refuse("damaged");
  const derived = derive();
  const expected = createHmac("sha256", derived.subarray(32)).update(`${FORMAT} 1 check`).digest().subarray(0, 16);
  if (!timingSafeEqual(expected, check)) refuse("wrong-passphrase");
  const plain = decrypted(derived.subarray(0, 32), nonce, ciphertext, header, "altered");
  return sealedValue(plain, (value) => value !== null && typeof value === "object" && !Array.isArray(value));
}

// MCP Explorer's

function explorers(bytes, passphrase) {
  const members = ["version", "salt", "nonce", "data"];
  const whole = envelope(bytes, (data) => members.every((name) => data.includes(`"${name}"`)));
  if (!members.every((name) => Object.hasOwn(whole, name))) refuse("not-ours");
  if (Number.isInteger(whole.version) && whole.version > 1) refuse("newer-version");
  if (whole.version !== 1) refuse("damaged");
  const [salt, nonce, sealed] = [unbase64(whole.salt, 16), unbase64(whole.nonce, 12), unbase64(whole.data)];
  if (sealed.length < 16) refuse("damaged");
  const key = pbkdf2Sync(Buffer.from(passphrase, "utf8"), salt, 100000, 32, "sha256");
  return sealedValue(decrypted(key, nonce, sealed, null, "wrong-passphrase"), Array.isArray);
}

for (const line of readFileSync(0, "utf8").split("\n").filter(Boolean)) {
  const { file, passphrase, kind } = JSON.parse(line);
  try {
    const opens = (kind === "mcp-explorer" ? explorers : ours)(readFileSync(file), passphrase);
    console.log(JSON.stringify({ opens }));
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    console.log(JSON.stringify({ refused: error.message }));
  }
}
