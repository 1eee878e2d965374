// node serve.mjs DIRECTORY PORT: the files of a directory, to this machine alone.

import { realpathSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const pageName = "tls-client-auth.html";
const types = { ".html": "text/html; charset=utf-8" };

/** The address at which it serves; `seen` gets every request. */
export async function serve(directory, port, seen = () => {}) {
  const server = createServer(async (request, response) => {
    seen(`${request.method} ${request.url}`);
    try {
      // Dot segments are gone from the path of a URL, however they were spelt.
      const { pathname } = new URL(request.url, "http://localhost");
      const file = pathname === "/" ? pageName : pathname;
      const body = await readFile(join(directory, file));
      // What is edited and built again is not to be an older page for a while.
      const type = types[extname(file)] ?? "application/octet-stream";
      response.writeHead(200, { "content-type": type, "cache-control": "no-store" }).end(body);
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise((resolve, reject) => {
    server.once("error", reject).listen(port, "127.0.0.1", resolve);
  });
  return { server, origin: `http://127.0.0.1:${server.address().port}` };
}

if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
  const [directory, port] = process.argv.slice(2);
  try {
    const { origin } = await serve(directory, Number(port));
    console.log(`build.sh: ${origin} until Ctrl-C`);
  } catch (error) {
    const reasons = { EADDRINUSE: "is taken", EACCES: "is not for this user" };
    const why = reasons[error.code] ?? `cannot be used (${error.code})`;
    const instead = "choose another one, as in PORT=8081 ./build.sh playground";
    console.error(`build.sh: error: port ${port} ${why}: ${instead}`);
    process.exitCode = 1;
  }
}
