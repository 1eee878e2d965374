// client.mjs TOKEN-ENDPOINT PKI-DIRECTORY: a client with Node's own library. It reads and writes
// the lines of go/main.go.

import { readFileSync } from "node:fs";
import { request } from "node:https";

const [endpoint, pki] = process.argv.slice(2);

function ask(version, certificate, client) {
  const own =
    certificate === "-"
      ? {}
      : {
          cert: readFileSync(`${pki}/${certificate}.pem`),
          key: readFileSync(`${pki}/${certificate}.key`),
        };
  const options = {
    method: "POST",
    agent: false,
    ca: readFileSync(`${pki}/ca.pem`),
    minVersion: `TLSv${version}`,
    maxVersion: `TLSv${version}`,
    ...own,
  };
  const form = new URLSearchParams({
    grant_type: "client_credentials",
    client_id: client,
  }).toString();
  return new Promise((resolve, reject) => {
    const sent = request(endpoint, {
      ...options,
      headers: {
        "content-type": "application/x-www-form-urlencoded",
        "content-length": form.length,
      },
    });
    sent.on("error", reject);
    sent.on("response", async (response) => {
      let body = "";
      for await (const part of response) body += part;
      const answer = JSON.parse(body);
      resolve(
        response.statusCode === 200
          ? answer.authenticated_client
          : `${response.statusCode} ${answer.error}`,
      );
    });
    sent.end(form);
  });
}

for (const line of readFileSync(0, "utf8").trimEnd().split("\n")) {
  console.log(await ask(...line.split(" ")).catch((error) => `failed ${error}`));
}
