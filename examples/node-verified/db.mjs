// Stands in for your database: a table of users keyed by the hub's id, with version and removed as columns.
const users = new Map();

export const db = {
  async find(id) {
    return users.get(id);
  },
  async save(user) {
    users.set(user.id, user);
  },
  async all() {
    return [...users.values()].filter((user) => !user.removed);
  },
};
