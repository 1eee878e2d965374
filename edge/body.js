// The body of a request of node:http or node:http2, and what becomes of one that nobody wants.

const isHttp2 = (request) => request.httpVersionMajor > 1;

// Whether all of it is here, though perhaps not yet read. HTTP/2 has another meaning of `complete`.
const isWhole = (request) => (isHttp2(request) ? request.stream.readableEnded : request.complete);

// Reads to the end of the body, or a little past `most` octets of it, and puts what it read back, so that the application has
// the request from its start. Undefined where the client goes away.
export async function startOf(request, most) {
  checkUnread(request);
  // Whatever came together with the headers is there after this.
  await new Promise(process.nextTick);
  checkUnread(request);
  return new Promise((resolve, reject) => {
    // Not the chunks themselves: one of HTTP/2 may be an octet, and hold sixteen thousand.
    let held = Buffer.allocUnsafe(4096);
    let length = 0;
    const hold = (chunk) => {
      if (length + chunk.length > held.length) {
        const larger = Buffer.allocUnsafe(Math.max(2 * held.length, length + chunk.length));
        held.copy(larger, 0, 0, length);
        held = larger;
      }
      chunk.copy(held, length);
      length += chunk.length;
    };
    const settle = (settled, value) => {
      request.off("readable", look).off("end", ended).off("close", gone);
      settled(value);
    };
    const gone = () => settle(resolve);
    const ended = () => settle(reject, new Error("the body was read while the gate looked at it"));
    const lookAt = () => {
      if (request.aborted || request.destroyed) return gone();
      // To read where nothing is left would end the stream for good.
      while (request.readableLength > 0 && length <= most) hold(request.read());
      if (length <= most && !isWhole(request)) return undefined;
      const start = held.subarray(0, length);
      if (length > 0) request.unshift(start);
      return settle(resolve, start);
    };
    const look = () => {
      try {
        return lookAt();
      } catch (error) {
        return settle(reject, error);
      }
    };
    request.on("end", ended).on("close", gone);
    // Where nothing comes any more, to listen would be to read.
    if (isWhole(request) && request.readableLength === 0) look();
    else request.on("readable", look);
  });
}

// Who reads, listens or decodes before the gate does would have what it did not see.
function checkUnread(request) {
  const { readableDidRead, readableEnded, readableFlowing, readableEncoding } = request;
  const listeners = request.listenerCount("data") + request.listenerCount("readable");
  if (readableDidRead || readableEnded || readableFlowing || readableEncoding || listeners > 0) {
    throw new Error(
      "the body was read, or somebody was about to read it, before the gate saw the request",
    );
  }
}

const patience = 5_000;

// Answers a request of which more may be on its way.
export function answer(request, response, { status, headers, body }) {
  if (isHttp2(request)) {
    response.writeHead(status, headers);
    response.end(body);
    // RFC 9113 §8.1: the client need not send the rest.
    if (!isWhole(request)) response.stream.close();
    return;
  }
  // A socket that is closed while something is unread resets the connection, often before the client has seen the answer. So
  // the answer is whole, but its end waits for that of the request (RFC 9112 §9.6).
  const close = status === 413 ? { connection: "close" } : {};
  response.writeHead(status, { ...headers, ...close, "content-length": Buffer.byteLength(body) });
  if (request.method !== "HEAD") response.write(body);
  const timer = setTimeout(() => request.destroy(), patience);
  const end = () => {
    clearTimeout(timer);
    response.end();
  };
  if (request.complete || request.destroyed) end();
  else request.on("end", end).on("close", end);
  request.resume();
}
