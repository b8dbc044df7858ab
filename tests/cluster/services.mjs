import { execFileSync } from 'node:child_process';
import { chownSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import https from 'node:https';
import { join } from 'node:path';
import { makeNodeCertificate } from '../acceptance/harness/tls.mjs';
import { until } from '../acceptance/harness/wait.mjs';
import { freePort, Program } from '../demo/programs.mjs';

/// What a member of etcd says of itself, to whom it knows by a certificate.
function health(url, { ca, cert, key }) {
  return new Promise((resolve, reject) => {
    const asked = https.request(`${url}/health`, { ca, cert, key, agent: false, timeout: 2000 }, (answer) => {
      let text = '';
      answer.on('data', (piece) => { text += piece; }).on('end', () => resolve(text));
    });
    asked.on('error', reject).on('timeout', () => asked.destroy(new Error('no answer'))).end();
  });
}

/// Starts etcd: {programs, urls, client (the files of a certificate that it knows)}.
export async function startEtcd(dir, authority, count) {
  const members = [];
  for (let i = 1; i <= count; ++i)
    members.push({ name: `etcd-${i}`, url: `https://127.0.0.1:${await freePort(23700 + 10 * i)}`,
      peer: `https://127.0.0.1:${await freePort(23705 + 10 * i)}` });
  const programs = members.map(({ name, url, peer }) => {
    const tls = makeNodeCertificate(dir, authority, name);
    const files = (prefix) => [`--${prefix}trusted-ca-file=${authority.cert}`, `--${prefix}cert-file=${tls.cert}`,
      `--${prefix}key-file=${tls.key}`, `--${prefix}client-cert-auth`];
    return new Program(name, ['--name', name, '--data-dir', join(dir, `${name}-data`), '--listen-client-urls', url,
      '--advertise-client-urls', url, '--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer,
      '--initial-cluster', members.map((one) => `${one.name}=${one.peer}`).join(','), '--heartbeat-interval', '100',
      '--election-timeout', '1000', '--log-level', 'error', '--logger', 'zap', '--log-outputs', 'stderr',
      ...files(''), ...files('peer-')], () => {}, { path: 'etcd' });
  });
  const client = makeNodeCertificate(dir, authority, 'etcd-client');
  const pem = { ca: readFileSync(authority.cert), cert: readFileSync(client.cert), key: readFileSync(client.key) };
  for (const { name, url } of members)
    await until(`${name} is healthy`, async () => JSON.parse(await health(url, pem)).health === 'true', { within: 30_000 });
  return { programs, urls: members.map(({ url }) => url).join(','), client };
}

/// Debian keeps PostgreSQL's programs out of PATH, by version.
function postgresql(name) {
  const versions = existsSync('/usr/lib/postgresql') ? readdirSync('/usr/lib/postgresql').sort() : [];
  return versions.map((version) => join('/usr/lib/postgresql', version, 'bin', name)).filter(existsSync).pop() ?? name;
}

/// Starts PostgreSQL, reached by a Unix socket: {programs, uri}. As the user postgres where root would start it.
export async function startPostgresql(parent) {
  const dir = join(parent, 'postgresql');
  mkdirSync(dir, { mode: 0o700 });
  const as = { cwd: '/' };
  if (process.getuid() === 0) {
    const id = (what) => Number(execFileSync('id', [what, 'postgres'], { encoding: 'utf8' }));
    Object.assign(as, { uid: id('-u'), gid: id('-g') });
    chownSync(dir, as.uid, as.gid);
  }
  const quietly = { ...as, stdio: 'ignore' };
  execFileSync(postgresql('initdb'), ['-D', join(dir, 'data'), '-U', 'troupe', '-A', 'trust', '-E', 'UTF8', '--locale=C',
    '--no-sync', '--no-instructions'], quietly);
  // SIGINT: it does not wait until everybody has left.
  const program = new Program('postgres', ['-D', join(dir, 'data'), '-k', dir, '-c', 'listen_addresses=', '-c', 'fsync=off',
    '-c', 'max_connections=100'], () => {}, { path: postgresql('postgres'), by: 'SIGINT', as });
  await until('PostgreSQL takes connections', () => {
    execFileSync(postgresql('pg_isready'), ['-h', dir, '-U', 'troupe', '-d', 'postgres'], quietly);
    return true;
  }, { within: 30_000 });
  execFileSync(postgresql('createdb'), ['-h', dir, '-U', 'troupe', 'troupe'], quietly);
  return { programs: [program], uri: `postgresql://troupe@/troupe?host=${dir}` };
}
