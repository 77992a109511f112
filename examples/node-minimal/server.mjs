// Runs route.mjs without Next.js: PORT=4005 node server.mjs
import { serve } from "../serve.mjs";
import { db } from "./db.mjs";
import { POST } from "./route.mjs";

serve({
  "POST /api/users/sync": POST,
  "GET /users.json": async () => Response.json({ users: await db.all() }),
});
