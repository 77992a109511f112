// Standard Webhooks with node:crypto only. See https://www.standardwebhooks.com/
import { createHmac, timingSafeEqual } from "node:crypto";

const TOLERANCE = 5 * 60; // seconds

/** Why this message is not the hub's, as a sentence; null when it is. `body` is a Buffer with exactly the bytes that came in. */
export function whyNotSigned(secret, headers, body) {
  const id = headers.get("webhook-id");
  const timestamp = headers.get("webhook-timestamp");
  const signatures = headers.get("webhook-signature");
  if (!id || !timestamp || !signatures) return "webhook-id, webhook-timestamp or webhook-signature is missing";
  if (!/^\d{1,12}$/.test(timestamp)) return "webhook-timestamp is not in Unix seconds";
  if (Math.abs(Date.now() / 1000 - Number(timestamp)) > TOLERANCE) return "webhook-timestamp is more than five minutes off";

  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const expected = createHmac("sha256", key).update(`${id}.${timestamp}.`).update(body).digest();
  // Several signatures during a rotation: one for the old secret, one for the new. Either will do.
  for (const signature of signatures.split(" ")) {
    const [version, encoded = ""] = signature.split(",");
    const given = Buffer.from(encoded, "base64");
    if (version === "v1" && given.length === expected.length && timingSafeEqual(given, expected)) return null;
  }
  return "no signature matches the secret";
}
