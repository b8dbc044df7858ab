import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/// A throw-away certificate authority and a certificate for 127.0.0.1 and localhost, as PEM files in `dir`.
export function makeCertificates(dir, name = 'ca') {
  const at = (file) => join(dir, `${name}-${file}`);
  const openssl = (...args) => execFileSync('openssl', args, { stdio: 'pipe' });
  writeFileSync(at('extensions'), 'subjectAltName=IP:127.0.0.1,DNS:localhost\n');
  openssl('req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2',
    '-subj', `/CN=Throw-away ${name}`, '-keyout', at('ca.key'), '-out', at('ca.pem'));
  openssl('req', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
    '-subj', '/CN=localhost', '-keyout', at('server.key'), '-out', at('server.csr'));
  openssl('x509', '-req', '-in', at('server.csr'), '-CA', at('ca.pem'), '-CAkey', at('ca.key'),
    '-CAcreateserial', '-days', '2', '-extfile', at('extensions'), '-out', at('server.pem'));
  return {
    ca: at('ca.pem'),
    caText: readFileSync(at('ca.pem'), 'utf8'),
    cert: at('server.pem'),
    key: at('server.key'),
  };
}

const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];
const openssl = (...args) => execFileSync('openssl', args, { stdio: 'pipe' });

/// An authority that signs nodes' certificates, as PEM files in `dir`.
export function makeAuthority(dir, name = 'cluster') {
  const authority = { cert: join(dir, `${name}-ca.pem`), key: join(dir, `${name}-ca.key`) };
  openssl('req', '-x509', ...key, '-days', '2', '-subj', `/CN=${name} authority`, '-keyout', authority.key,
    '-out', authority.cert);
  return authority;
}

/// A node's certificate, for both sides of a connection. The same name again: another one in its place.
export function makeNodeCertificate(dir, authority, name) {
  const at = (what) => join(dir, `${name}.${what}`);
  writeFileSync(at('ext'), 'subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n');
  openssl('req', ...key, '-subj', `/CN=${name}`, '-keyout', at('key'), '-out', at('csr'));
  openssl('x509', '-req', '-in', at('csr'), '-CA', authority.cert, '-CAkey', authority.key, '-CAcreateserial',
    '-days', '2', '-extfile', at('ext'), '-out', at('pem'));
  return { cert: at('pem'), key: at('key') };
}
