// In Next.js: `upsert` is POST in app/api/users/sync/route.js, `remove` is POST in app/api/users/sync/delete/route.js
import { db } from "./db.mjs";
import { whyNotSigned } from "./verify.mjs";

export async function upsert(request) {
  return receive(request, async ({ id, version, email, full_name, role, is_active }) => {
    await db.save({ id, version, email, full_name, role, is_active, removed: false });
  });
}

export async function remove(request) {
  return receive(request, async ({ id, version }) => {
    await db.save({ id, version, removed: true }); // unknown here: success as well, and its version is kept
  });
}

async function receive(request, apply) {
  const secret = process.env.SYNC_SECRET;
  if (!secret?.startsWith("whsec_")) return refuse(401, "this site has no secret yet: set SYNC_SECRET to the whsec_ secret the hub shows");
  const body = Buffer.from(await request.arrayBuffer()); // as it came: parsing and writing it again would change the bytes
  const problem = whyNotSigned(secret, request.headers, body);
  if (problem) return refuse(401, problem);

  let user;
  try {
    user = JSON.parse(body);
  } catch {
    return refuse(400, "the body is not JSON");
  }
  if (typeof user?.id !== "string" || !Number.isSafeInteger(user.version)) return refuse(422, "id must be a text and version a whole number");

  // Messages may come twice or out of order. Lower than what is held, also when that is a removal: ignore. Equal: apply,
  // for the hub resends on purpose. In a real database do this in one statement, such as
  // `insert … on conflict (id) do update set … where users.version <= excluded.version`.
  const held = await db.find(user.id);
  if (!held || user.version >= held.version) await apply(user);
  return Response.json({ success: true, id: user.id });
}

function refuse(status, error) {
  return Response.json({ success: false, error }, { status });
}
