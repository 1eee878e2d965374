// What ./build.sh playground says of its address.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const program = fileURLToPath(new URL("serve.mjs", import.meta.url));

test("the page is served to this machine, and a taken port is reported", async (context) => {
  const served = spawn(process.execPath, [program, process.env.PAGE, "0"]);
  context.after(() => served.kill());
  const [line] = await once(served.stdout, "data");
  const [, origin, port] = String(line).match(
    /^build\.sh: (http:\/\/127\.0\.0\.1:(\d+)) until Ctrl-C\n$/,
  );
  const page = await fetch(origin);
  assert.equal(page.headers.get("content-type"), "text/html; charset=utf-8");
  assert.match(await page.text(), /Why is this client refused\?/);
  for (const path of ["/nothing", "/%2e%2e/package/package.json", "//"])
    assert.equal((await fetch(origin + path)).status, 404);
  const second = spawnSync(process.execPath, [program, process.env.PAGE, port], {
    encoding: "utf8",
  });
  assert.equal(second.status, 1);
  const instead = "choose another one, as in PORT=8081 ./build.sh playground";
  assert.equal(second.stderr, `build.sh: error: port ${port} is taken: ${instead}\n`);
});

test("a PORT that is none is reported before anything is built", () => {
  for (const port of ["http", "65536", "-1", "080 80"]) {
    const run = spawnSync("bash", ["build.sh", "playground"], {
      encoding: "utf8",
      env: { ...process.env, PORT: port },
    });
    assert.deepEqual(
      [run.status, run.stdout, run.stderr],
      [1, "", `build.sh: error: PORT is not the number of a port: ${port}\n`],
    );
  }
});
