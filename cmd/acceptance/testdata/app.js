// The same application for Node: it answers after the milliseconds and with the bytes that its query asks for, and writes
// down which requests it began and finished. /hang is never answered; /stream and a WebSocket tell the time every 400 ms
// until they have done so "ticks" times.
const http = require("http"), crypto = require("crypto"), fs = require("fs");

const ledger = fs.openSync(process.env.LEDGER, "a");
const note = (event, name) => { if (name) fs.writeSync(ledger, `${event} ${name}\n`); };

function tick(n, say, end) {
  say(n);
  setTimeout(() => (n > 1 ? tick(n - 1, say, end) : end()), 400);
}

const server = http.createServer((request, response) => {
  const name = request.headers["x-request-id"] || "";
  const url = new URL(request.url, "http://here/");
  const asked = (key, usual) => Number(url.searchParams.get(key) || usual);
  let got = 0;
  note("started", name);
  request.on("data", (piece) => { got += piece.length; });
  request.on("end", () => {
    if (url.pathname === "/hang") return;
    response.setHeader("X-Request-Id", name);
    if (url.pathname === "/stream") {
      response.write(`answer to ${name} ${got}\n`);
      return tick(asked("ticks", 4), (n) => response.write(`tick ${n}\n`), () => {
        note("finished", name);
        response.end("over\n");
      });
    }
    setTimeout(() => {
      note("finished", name);
      response.end(`answer to ${name} ${got}\n`.padEnd(asked("bytes", 0), "."));
    }, asked("ms", 150));
  });
});

// A WebSocket (RFC 6455) whose server sends text frames, then a close frame.
server.on("upgrade", (request, socket) => {
  const name = request.headers["x-request-id"] || "";
  const proof = crypto.createHash("sha1")
    .update(request.headers["sec-websocket-key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest("base64");
  const frame = (kind, text) => socket.write(Buffer.concat([Buffer.from([0x80 | kind, text.length]), Buffer.from(text)]));
  note("started", name);
  socket.on("error", () => {});
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
    `X-Request-Id: ${name}\r\nSec-WebSocket-Accept: ${proof}\r\n\r\n`);
  tick(4, (n) => frame(1, `tick ${n}`), () => {
    note("finished", name);
    frame(8, "");
    socket.end();
  });
});

process.on("SIGTERM", () => { if (!process.env.DEAF) server.close(() => process.exit(0)); });
if (process.env.LISTEN_FDS) server.listen({ fd: 3 }); // it was handed its socket
else server.listen(Number(process.env.PORT), process.env.HOST);
