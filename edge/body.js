// The body of a request of node:http or node:http2: what the gate sees of it before the application
// does, and the answer to a request of which more may be on its way.

import { BodyTakenError } from "./adapters.js";

const isHttp2 = (request) => request.httpVersionMajor > 1;

// Whether all of it has arrived, though perhaps not been read. HTTP/2 has another meaning of
// `complete`; Node 24 can end a request without a body before any listener has it, and then does
// not set it.
const isWhole = (request) =>
  isHttp2(request)
    ? request.stream?.readableEnded === true && !isGone(request)
    : request.complete || request.readableEnded;

// Whether the client has gone away. HTTP/2 ends the body of such a request before it says so, and
// has no stream any more when it has said so. A request of HTTP/1.1 is also destroyed after its
// end.
const isGone = (request) =>
  request.aborted ||
  (isHttp2(request)
    ? request.destroyed || request.stream?.closed !== false
    : request.destroyed && !request.readableEnded);

// The body to its end, or a little past `most` octets of it; undefined where the client goes away.
//
// Frameworks ask whether a stream was read (`readableDidRead`, `Readable.isDisturbed`), and do not
// read it a second time. So this does not read: what Node pushes into the stream is held back until
// the gate has seen enough, and pushed then. Afterwards the request is as any other whose body
// arrived before the application looked at it.
export function startOf(request, most) {
  return new Promise((resolve, reject) => {
    checkUntaken(request);
    if (isGone(request)) {
      resolve(undefined);
      return;
    }
    const held = new Held();
    const wasWhole = isWhole(request);
    const { push } = request;
    const own = Object.getOwnPropertyDescriptor(request, "push");
    let isOver = false;

    const stop = () => {
      isOver = true;
      request.off("close", leave);
      if (request.push !== holdBack) return;
      if (own) Object.defineProperty(request, "push", own);
      else delete request.push;
    };
    const leave = () => {
      stop();
      resolve(undefined);
    };
    const settle = () => {
      stop();
      const start = held.octets();
      // Behind its end a stream takes nothing.
      const isMoreWanted = wasWhole ? putBack(request, start) : request.push(start);
      if (!wasWhole && isWhole(request)) request.push(null);
      try {
        checkUntaken(request);
        resolve(start);
      } catch (error) {
        reject(error);
      }
      return isMoreWanted;
    };
    function holdBack(chunk, ...rest) {
      if (isOver) return push.call(request, chunk, ...rest);
      if (chunk !== null) {
        held.add(chunk);
        return held.length > most ? settle() : true;
      }
      if (isWhole(request)) return settle();
      leave();
      return push.call(request, null);
    }

    request.push = holdBack;
    request.on("close", leave);
    takeBuffered(request, held);
    if (wasWhole || held.length > most) settle();
    // In HTTP/2 nothing comes unless it is asked for.
    else request.read(0);
  });
}

// Octets in one piece. Chunks are not kept: one of HTTP/2 may be an octet, and hold 16 KiB.
class Held {
  length = 0;
  #octets = Buffer.allocUnsafe(4096);

  add(chunk) {
    const length = this.length + chunk.length;
    if (length > this.#octets.length) {
      const larger = Buffer.allocUnsafe(Math.max(2 * this.#octets.length, length));
      this.#octets.copy(larger, 0, 0, this.length);
      this.#octets = larger;
    }
    this.#octets.set(chunk, this.length);
    this.length = length;
  }

  octets() {
    return this.#octets.subarray(0, this.length);
  }
}

// What arrived before the gate was asked, behind a middleware that waits for something. It cannot
// be seen without reading it; that nothing was read is true again when it is put back, and said
// again.
function takeBuffered(request, held) {
  if (request.readableLength === 0) return;
  while (request.readableLength > 0) held.add(request.read());
  request._readableState.dataEmitted = false;
}

function putBack(request, start) {
  // Where nothing was taken, this would begin another body behind the end.
  if (start.length > 0) request.unshift(start);
  return false;
}

const earlier =
  "mount protect() before whatever reads bodies (express.json, express.urlencoded), or use guard()";

// Who reads, listens or decodes before the gate does would have what it did not see. A body that
// has ended without a chunk was empty.
function checkUntaken(request) {
  const { readableDidRead, readableFlowing, readableEncoding } = request;
  const listeners = request.listenerCount("data") + request.listenerCount("readable");
  const isTaken = readableDidRead || readableFlowing || readableEncoding || listeners > 0;
  if (isTaken) throw new BodyTakenError(earlier);
}

const patience = 5_000;

// Answers a request of which more may be on its way.
export function answer(request, response, { status, headers, body }) {
  if (isHttp2(request)) {
    response.writeHead(status, headers);
    response.end(body);
    // RFC 9113 §8.1: the client need not send the rest.
    if (!isWhole(request)) response.stream?.close();
    return;
  }
  // A socket that is closed while something is unread resets the connection, often before the
  // client has seen the answer. So the answer is whole, but its end waits for that of the request
  // (RFC 9112 §9.6).
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
