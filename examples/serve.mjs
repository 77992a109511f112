// Runs the Node examples on plain Node 18+: turns node:http into the Request and Response that Next.js route handlers know.
// Not part of what you copy: your framework does this.
import { createServer } from "node:http";

/** Serve `{"POST /path": handler}` and nothing else on PORT; a handler takes a Request and returns a Response. */
export function serve(routes) {
  const port = Number(process.env.PORT);
  const host = process.env.HOST ?? "127.0.0.1";
  if (!Number.isInteger(port) || port < 1 || port > 65535) fail("Set PORT to a number from 1 to 65535.");

  const server = createServer(async (incoming, outgoing) => {
    const response = await answer(routes, incoming).catch((error) => {
      console.error(error.message);
      return Response.json({ success: false, error: "the handler failed" }, { status: 500 });
    });
    outgoing.writeHead(response.status, Object.fromEntries(response.headers));
    outgoing.end(Buffer.from(await response.arrayBuffer()));
  });
  server.on("error", (error) => fail(`Cannot listen at ${host}:${port}: ${error.message}.`));
  server.listen(port, host, () => console.log(`Listening at http://${host}:${port}/`));
}

async function answer(routes, incoming) {
  const path = incoming.url.split("?")[0];
  const handler = routes[`${incoming.method} ${path}`];
  const chunks = [];
  for await (const chunk of incoming) chunks.push(chunk);
  if (!handler) return Response.json({ error: "not found" }, { status: 404 });
  const body = chunks.length ? Buffer.concat(chunks) : undefined;
  return handler(new Request(`http://site.invalid${path}`, { method: incoming.method, headers: incoming.headers, body }));
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
