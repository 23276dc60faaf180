/** A real Postgres server and a provisioned context for one test file. */

import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type RequestListener, type Server } from "node:http";
import { connect, createServer as createTcpServer, type AddressInfo, type Server as TcpServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

import pg from "pg";

const PASSWORD = "kit";
const TABLES = `
  CREATE TABLE coins (coin_id uuid PRIMARY KEY, value integer NOT NULL CHECK (value < 1000));
  CREATE TABLE tally (value integer PRIMARY KEY, seen bigint NOT NULL);`;

export interface Context {
  readonly appUrl: string;
  readonly workerUrl: string;
  /** The superuser in the context's database. */
  readonly admin: pg.Pool;
  readonly stop: () => Promise<void>;
}

/** Starts a server and provisions the context `kit` with its tables. */
export async function startContext(): Promise<Context> {
  const { process: stack, adminUrl } = await startStack();
  await provision(adminUrl);
  const url = (role: string): string => {
    const it = new URL(adminUrl);
    return Object.assign(it, { username: `kit_${role}`, password: PASSWORD, pathname: "/kit_db" }).href;
  };
  const migrator = new pg.Client({ connectionString: url("migrator") });
  await migrator.connect();
  await migrator.query(`SET ROLE kit_owner; ${TABLES}`);
  await migrator.end();
  const admin = new pg.Pool({
    connectionString: Object.assign(new URL(adminUrl), { pathname: "/kit_db" }).href,
    max: 4,
  });
  const stop = async (): Promise<void> => {
    await admin.end();
    const ended = once(stack, "exit");
    stack.kill("SIGTERM");
    await ended;
  };
  return { appUrl: url("app"), workerUrl: url("worker"), admin, stop };
}

/** What a handler service answers to a request. */
export interface Answered {
  readonly status: number;
  readonly text: string;
  readonly headers: Headers;
}

/** An HTTP server on a free port of 127.0.0.1. */
export class Socket {
  readonly url: string;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  static async listen(listener: RequestListener): Promise<Socket> {
    return Socket.of(createServer(listener));
  }

  static async of(server: Server): Promise<Socket> {
    if (!server.listening) await once(server.listen(0, "127.0.0.1"), "listening");
    return new Socket(server);
  }

  async get(path: string, headers: Record<string, string> = {}): Promise<Answered> {
    return answered(await fetch(this.url + path, { headers }));
  }

  async post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Answered> {
    const sent = typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body);
    const all = { "content-type": "application/json", ...headers };
    return answered(await fetch(this.url + path, { method: "POST", body: sent, headers: all }));
  }

  async close(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}

async function answered(response: Response): Promise<Answered> {
  return { status: response.status, text: await response.text(), headers: response.headers };
}

async function startStack(): Promise<{ process: ChildProcess; adminUrl: string }> {
  // Also when this process is killed: the stack ends with it, and its servers with the stack.
  const command = ["--pdeathsig", "TERM", program("sea-mq-stack")];
  const stack = spawn("setpriv", command, { stdio: ["ignore", "pipe", "inherit"] });
  const said = new Map<string, string>();
  for await (const line of createInterface({ input: stack.stdout })) {
    const [name = "", value = ""] = line.split(" ");
    if (name === "ready") break;
    said.set(name, value);
  }
  const adminUrl = said.get("postgres");
  if (adminUrl === undefined) throw new Error("sea-mq-stack ended before it was ready; its message is above");
  return { process: stack, adminUrl };
}

async function provision(adminUrl: string): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "sea-mq-kit-"));
  const secret = join(folder, "password");
  await writeFile(secret, PASSWORD);
  const roles = ["app", "worker", "migrator"].map((role) => `--${role}-password-file=${secret}`);
  const command = ["db", "provision", "--context=kit", `--admin-url=${adminUrl}`, ...roles];
  await promisify(execFile)(program("sea-mq"), command);
  await rm(folder, { recursive: true });
}

/** A program of this project: in the folder SEA_MQ_BIN, else in the target/debug above this file. */
function program(name: string): string {
  const folders = [];
  for (let at = dirname(fileURLToPath(import.meta.url)); at !== dirname(at); at = dirname(at)) {
    folders.push(join(at, "target", "debug"));
  }
  const chosen = process.env["SEA_MQ_BIN"];
  const found = (chosen ? [chosen] : folders).map((folder) => join(folder, name)).find((path) => existsSync(path));
  if (found === undefined) throw new Error(`no program ${name}: run make build, or say in SEA_MQ_BIN where it is`);
  return found;
}

/** Something that one part of a test waits for and another lets happen. */
export class Gate {
  open: () => void = () => {};
  readonly opened = new Promise<void>((resolve) => {
    this.open = resolve;
  });
}

/** A way to the database that can fall silent without closing a connection. */
export class Way {
  readonly #server: TcpServer;
  #silent = false;

  private constructor(url: URL) {
    this.#server = createTcpServer((near) => {
      const far = connect(Number(url.port), url.hostname);
      for (const [from, to] of [
        [near, far],
        [far, near],
      ] as const) {
        from.on("data", (data) => this.#silent || to.write(data));
        from.on("error", () => {}).on("close", () => to.destroy());
      }
    });
  }

  /** The way to the database of the URL, and the URL that goes by it. */
  static async to(databaseUrl: string): Promise<[Way, string]> {
    const url = new URL(databaseUrl);
    const way = new Way(new URL(url));
    await once(way.#server.listen(0, "127.0.0.1"), "listening");
    const { port } = way.#server.address() as AddressInfo;
    return [way, Object.assign(url, { hostname: "127.0.0.1", port }).href];
  }

  fallSilent(): void {
    this.#silent = true;
  }

  close(): void {
    this.#server.close();
  }
}
