// Stands in for your database: a table of users with a unique email.
const users = new Map();

export const db = {
  async upsert(user) {
    users.set(user.email, { ...users.get(user.email), ...user });
  },
  async all() {
    return [...users.values()];
  },
};
