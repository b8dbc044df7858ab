import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseAllDocuments } from 'yaml';
import { must, standIns, temporary, text } from './parts.mjs';

// As Kubernetes reads it: YAML 1.1, in which 0440 is octal.
const documents = parseAllDocuments(text('configs/kubernetes/troupe.yaml'), { version: '1.1', uniqueKeys: true });
const objects = documents.map((one) => one.toJS());
const the = (kind, name = 'troupe') => objects.find((one) => one.kind === kind && one.metadata.name === name);
const set = the('StatefulSet');
const pod = set.spec.template.spec;
const [container] = pod.containers;
const labels = set.spec.template.metadata.labels;

/// `value`, every key of which tells `looked` when it is read; paths as in "spec.replicas".
function watched(value, looked, path = '') {
  if (value === null || typeof value !== 'object') return value;
  const inner = new Map(Object.entries(value).map(([key, one]) => [key, watched(one, looked, `${path}.${key}`)]));
  return new Proxy(value, { get(from, key) {
    if (!inner.has(key)) return from[key];
    looked.add(`${path}.${key}`);
    return inner.get(key);
  } });
}

function paths(value, path = '') {
  if (value === null || typeof value !== 'object') return [];
  return Object.entries(value).flatMap(([key, one]) => [`${path}.${key}`, ...paths(one, `${path}.${key}`)]);
}

/// What Kubernetes' schema of the object's kind says against it. The schemas let unknown keys pass, which the
/// server does not: they are those that the schema never looks at.
async function problems(object) {
  const group = object.apiVersion.includes('/') ? object.apiVersion.split(/[./]/)[0] : 'core';
  const { validate } = await import(`kubernetes-models/_schemas/IoK8sApi${group[0].toUpperCase()}${group.slice(1)}V1${object.kind}`);
  const looked = new Set();
  const wrong = validate(watched(object, looked)) ? [] : validate.errors.map(({ instancePath, message, keyword }) => `${instancePath}: ${message ?? keyword}`);
  return [...wrong, ...paths(object).filter((path) => !looked.has(path)).map((path) => `${path}: unknown`)];
}

test('the file is YAML without errors or warnings', () => {
  for (const one of documents) assert.deepEqual([...one.errors, ...one.warnings].map(String), []);
  assert.deepEqual(objects.map(({ kind, metadata }) => `${kind} ${metadata.name}`), ['Namespace troupe', 'ServiceAccount troupe',
    'ConfigMap troupe-settings', 'Service troupe', 'Service troupe-webhooks', 'Service troupe-nodes', 'PodDisruptionBudget troupe',
    'NetworkPolicy troupe', 'StatefulSet troupe']);
});

test('every object is what Kubernetes\' schema of its kind demands', async () => {
  for (const one of objects) assert.deepEqual(await problems(one), [], `${one.kind} ${one.metadata.name}`);
});

test('faults that are planted are found', async () => {
  const changed = async (change) => {
    const other = structuredClone(set);
    change(other.spec, other.spec.template.spec.containers[0]);
    return problems(other);
  };
  assert.match((await changed((spec) => { spec.replicas = 'three'; })).join(), /^\/spec\/replicas: /);
  assert.match((await changed((spec) => { delete spec.selector; })).join(), /^\/spec: /);
  assert.deepEqual(await changed((spec, first) => { first.livenesProbe = 1; }), ['.spec.template.spec.containers.0.livenesProbe: unknown']);
});

test('all but the namespace is in it, and everything selects the pods', () => {
  for (const one of objects.slice(1)) assert.equal(one.metadata.namespace, 'troupe');
  const has = (selector) => Object.entries(selector).every(([key, value]) => labels[key] === value) && Object.keys(selector).length > 0;
  for (const one of objects.filter(({ kind }) => kind === 'Service')) assert.ok(has(one.spec.selector), one.metadata.name);
  for (const one of [the('PodDisruptionBudget').spec.selector, the('NetworkPolicy').spec.podSelector, set.spec.selector,
    pod.topologySpreadConstraints[0].labelSelector])
    assert.ok(has(one.matchLabels));
});

test('nodes have names that stay, and one of three may go at a time', () => {
  const own = the('Service', set.spec.serviceName);
  assert.equal(own.spec.clusterIP, 'None');
  assert.equal(own.spec.publishNotReadyAddresses, true);
  assert.equal(set.spec.replicas, 3);
  assert.equal(the('PodDisruptionBudget').spec.maxUnavailable, 1);
  assert.ok(container.args.includes('--node.name=$(POD_NAME)'));
  const [{ port }] = own.spec.ports;
  assert.ok(container.args.includes(`--cluster.address=$(POD_NAME).${own.metadata.name}.$(POD_NAMESPACE).svc:${port}`));
});

test('every port that is named is the container\'s', () => {
  const known = new Set(container.ports.map(({ name }) => name));
  const named = [container.startupProbe, container.livenessProbe, container.readinessProbe].map((one) => one.httpGet.port);
  for (const one of objects.filter(({ kind }) => kind === 'Service')) named.push(...one.spec.ports.map(({ targetPort }) => targetPort));
  for (const rule of the('NetworkPolicy').spec.ingress) named.push(...rule.ports.map(({ port }) => port));
  for (const name of named) assert.ok(known.has(name), name);
  const defaults = must(join(process.env.TROUPE_BIN, 'trouped'), ['--dump-config']);
  for (const { name, containerPort } of container.ports)
    assert.match(defaults, new RegExp(`${name === 'nodes' ? 'cluster' : name} \\{[^}]*\\bport = ${containerPort}\\b`), name);
});

test('probes ask whether the node lives, and whether it takes work', () => {
  assert.equal(container.livenessProbe.httpGet.path, '/healthz');
  assert.equal(container.readinessProbe.httpGet.path, '/readyz');
  for (const probe of [container.startupProbe, container.livenessProbe, container.readinessProbe])
    assert.equal(probe.httpGet.scheme, 'HTTPS', 'the API has a certificate');
});

test('a pod that ends has the time to drain', () => {
  const [, pause] = container.lifecycle.preStop.exec.command;
  const [, drain] = /drain-timeout = (\d+)s/.exec(the('ConfigMap', 'troupe-settings').data['node.conf']);
  assert.ok(pod.terminationGracePeriodSeconds >= Number(pause) + Number(drain) + 30);
});

test('the pod may do as little as Kubernetes\' restricted standard demands', () => {
  assert.deepEqual(container.securityContext, { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } });
  assert.equal(pod.securityContext.runAsNonRoot, true);
  assert.deepEqual(pod.securityContext.seccompProfile, { type: 'RuntimeDefault' });
  assert.equal(pod.automountServiceAccountToken, false);
  const [, user] = /^USER (\d+):/m.exec(text('configs/container/Containerfile'));
  for (const key of ['runAsUser', 'runAsGroup', 'fsGroup']) assert.equal(pod.securityContext[key], Number(user), key);
  assert.ok(container.resources.requests.cpu && container.resources.requests.memory && container.resources.limits.memory);
});

test('secrets are files of secrets, readable by the node alone, and none is in the manifest', () => {
  assert.ok(!objects.some(({ kind }) => kind === 'Secret'));
  assert.ok(container.env.every(({ value, valueFrom }) => value === undefined && valueFrom.fieldRef));
  const mounted = new Map(container.volumeMounts.map((one) => [one.name, one]));
  for (const volume of pod.volumes) {
    const source = volume.secret ?? volume.projected;
    if (!source) continue;
    assert.equal(source.defaultMode, 0o440, volume.name);
    assert.equal(mounted.get(volume.name).readOnly, true, volume.name);
  }
  assert.deepEqual([...mounted.keys()].sort(), [...pod.volumes, ...set.spec.volumeClaimTemplates.map(({ metadata }) => metadata)]
    .map(({ name }) => name).sort());
});

test('the node accepts the settings of the manifest, and finds their files where they are mounted', () => {
  const dir = temporary();
  const settings = the('ConfigMap', 'troupe-settings').data;
  writeFileSync(join(dir, 'store.conf'), 'store {\n  uri = "postgresql://troupe:secret@postgresql.troupe.svc/troupe?sslmode=verify-full"\n}\n');
  const options = container.args.map((one) => one.replace('$(POD_NAME)', 'troupe-0').replace('$(POD_NAMESPACE)', 'troupe'));
  for (const one of options) assert.ok(!one.includes('$('), one);
  const places = container.volumeMounts.map(({ mountPath }) => `${mountPath}/`);
  const files = [...Object.values(settings), ...options.map((one) => `"${one.split('=')[1]}"`)].flatMap((one) => [...one.matchAll(/"(\/run\/[^"]+)"/g)].map(([, path]) => path));
  assert.ok(files.length > 12);
  for (const path of files) assert.ok(places.some((place) => path.startsWith(place)), path);
  // With files like them in these places.
  const here = (content) => content.replaceAll('/run/secrets/', `${dir}/`);
  standIns(files.map(here));
  for (const [name, content] of Object.entries(settings)) writeFileSync(join(dir, name), here(content));
  must(join(process.env.TROUPE_BIN, 'trouped'), [`--config-dir=${dir}`, ...options.map(here), '--check-config']);
});
