// A user with a browser: follows redirects, keeps cookies, fills in the first form of each page.

const answers = { login: "alice", password: "secret" };

export class Browser {
  #cookies = new Map();
  #fetch;

  constructor(fetch) {
    this.#fetch = fetch;
  }

  // Continues until a redirect leads to `end`, or a page has no form; returns that address.
  async visit(start, { end, fill = {} } = {}) {
    let request = { url: new URL(start) };
    for (let steps = 0; steps < 20; steps++) {
      if (end && request.url.href.startsWith(end)) return request.url;
      const response = await this.#send(request);
      const location = response.headers.get("location");
      if (location) {
        await response.arrayBuffer();
        request = { url: new URL(location, request.url) };
        continue;
      }
      const page = await response.text();
      if (response.status !== 200)
        throw new Error(`${request.url}: ${response.status} ${page.slice(0, 300)}`);
      const form = firstForm(page, { ...answers, ...fill });
      if (!form) return request.url;
      request = { url: new URL(form.action, request.url), body: form.fields };
    }
    throw new Error(`too many pages from ${start}`);
  }

  async #send({ url, body }) {
    const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join("; ");
    const response = await this.#fetch(url, {
      method: body ? "POST" : "GET",
      body,
      redirect: "manual",
      headers: { cookie },
    });
    for (const line of response.headers.getSetCookie()) {
      const [, name, value] = line.match(/^([^=]+)=([^;]*)/);
      value ? this.#cookies.set(name, value) : this.#cookies.delete(name);
    }
    return response;
  }
}

function firstForm(page, fill) {
  const form = page.match(/<form[^>]*action="([^"]+)"[^>]*>([\s\S]*?)<\/form>/);
  if (!form) return undefined;
  const fields = new URLSearchParams();
  for (const [input] of form[2].matchAll(/<input[^>]*>/g)) {
    const attribute = (name) => input.match(new RegExp(`${name}="([^"]*)"`))?.[1];
    fields.set(attribute("name"), fill[attribute("name")] ?? attribute("value") ?? "");
  }
  return { action: form[1].replaceAll("&amp;", "&"), fields };
}
