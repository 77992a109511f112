// Runs routes.mjs without Next.js: PORT=4006 SYNC_SECRET=whsec_… node server.mjs
import { serve } from "../serve.mjs";
import { db } from "./db.mjs";
import { remove, upsert } from "./routes.mjs";

serve({
  "POST /api/users/sync": upsert,
  "POST /api/users/sync/delete": remove,
  "GET /users.json": async () => Response.json({ users: await db.all() }),
});
