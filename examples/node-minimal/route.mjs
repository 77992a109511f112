// In Next.js: app/api/users/sync/route.js
import { db } from "./db.mjs";

export async function POST(request) {
  const { email, full_name, role } = await request.json();
  await db.upsert({ email, full_name, role });
  return Response.json({ success: true });
}
