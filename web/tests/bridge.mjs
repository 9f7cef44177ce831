// A running `smiles demo` for one test file: its own port, its own data directory, stopped by SIGINT.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const BINARY = process.env.SMILES_BIN ?? join(process.env.CARGO_TARGET_DIR ?? join(ROOT, "target"), "debug", "smiles");
const READY_MS_MAX = 20_000;
const STOP_MS_MAX = 5_000;
// What of the caller's environment a program needs to start; the rest could configure it.
const INHERITED = ["PATH", "HOME", "LD_LIBRARY_PATH"];

/**
 * Starts the bridge and waits until `/ready` answers 200.
 * Resolves to `{ url, log(), stop() }`; `stop` resolves to the exit code and removes the data directory.
 */
export async function startBridge({ args = ["demo"], env = {} } = {}) {
  const dataDir = await mkdtemp(join(tmpdir(), "smiles-web-"));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const child = spawn(BINARY, args, {
    cwd: dataDir,
    env: { ...inherited(), DATA_DIR: dataDir, HEALTH_HOST: "127.0.0.1", HEALTH_PORT: String(port), ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  const collect = (text) => (output += text);
  child.stdout.setEncoding("utf8").on("data", collect);
  child.stderr.setEncoding("utf8").on("data", collect);
  // Never rejects: a program that cannot start is an ending like any other.
  const ended = new Promise((resolve) => {
    child.on("error", (error) => resolve(`not started: ${error.message}`));
    child.on("close", (code, signal) => resolve(code ?? signal));
  });

  const stop = async () => {
    child.kill("SIGINT");
    const code = await Promise.race([ended, sleep(STOP_MS_MAX, "late", { ref: false })]);
    if (code === "late") child.kill("SIGKILL");
    await ended;
    await rm(dataDir, { recursive: true, force: true });
    return code === "late" ? `still running ${STOP_MS_MAX} ms after SIGINT` : code;
  };
  try {
    await becomesReady(url, ended);
  } catch (error) {
    await stop();
    throw new Error(`${BINARY} ${args.join(" ")}: ${error.message}; its output:\n${output}`);
  }
  return { url, log: () => output, stop };
}

function inherited() {
  return Object.fromEntries(INHERITED.filter((name) => name in process.env).map((name) => [name, process.env[name]]));
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

async function becomesReady(url, ended) {
  let end;
  ended.then((code) => (end = { code }));
  let last = "no answer";
  for (const deadline = Date.now() + READY_MS_MAX; Date.now() < deadline; await sleep(50)) {
    if (end) throw new Error(`ended before it was ready (${end.code})`);
    try {
      const { status } = await fetch(`${url}/ready`, { signal: AbortSignal.timeout(2_000) });
      if (status === 200) return;
      last = `status ${status}`;
    } catch (error) {
      last = error.cause?.code ?? error.message;
    }
  }
  throw new Error(`/ready was not 200 within ${READY_MS_MAX} ms (last: ${last})`);
}
