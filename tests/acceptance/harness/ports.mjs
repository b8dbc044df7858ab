import { createServer } from 'node:net';

/// So many ports of 127.0.0.1 that are free, all different.
export async function freePorts(count) {
  const servers = await Promise.all(Array.from({ length: count }, () => new Promise((done, fail) => {
    const server = createServer().listen(0, '127.0.0.1', () => done(server)).on('error', fail);
  })));
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((done) => { server.close(done); })));
  return ports;
}
