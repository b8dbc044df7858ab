import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Machine } from './machine.mjs';
import { makePackage, text } from './parts.mjs';

const machine = new Machine();
const file = machine.hand(makePackage());
const installed = (options = '') => machine.must(`dpkg ${options} -i ${file} 2>&1`);
const mode = (path) => machine.must(`stat -c '%U:%G %a' ${path}`).trim();
const exists = (path) => machine.run(`test -e ${path}`).code === 0;
const checks = () => machine.run('runuser -u troupe -- trouped --config-dir=/etc/troupe --check-config').code === 0;
const enabled = '/etc/systemd/system/multi-user.target.wants/troupe.service';
const masked = () => machine.run('test "$(readlink /etc/systemd/system/troupe.service)" = /dev/null').code === 0;

test('a first installation makes the user and its directories, enables the unit and starts the node', () => {
  installed();
  assert.match(machine.must('getent passwd troupe'), /^troupe:x:\d{3}:\d+:[^:]*:\/var\/lib\/troupe:\/usr\/sbin\/nologin$/m);
  assert.equal(mode('/etc/troupe'), 'root:troupe 750');
  assert.equal(mode('/var/lib/troupe'), 'troupe:troupe 700');
  assert.ok(exists(enabled));
  assert.ok(checks(), 'the user may read its settings');
  assert.deepEqual(machine.asked(), ['deb-systemd-invoke start troupe.service']);
});

test('systemd finds no fault with the installed unit, and as little exposure as the documents say', () => {
  assert.equal(machine.must('systemd-analyze verify --man=no /usr/lib/systemd/system/troupe.service 2>&1'), '');
  const report = machine.must('systemd-analyze security --offline=yes --no-pager /usr/lib/systemd/system/troupe.service');
  const [, level] = /Overall exposure level for troupe\.service: ([\d.]+)/.exec(report);
  const [, told] = /says \*\*([\d.]+)\*\*/.exec(text('docs/deployment.md'));
  assert.ok(Number(told) <= 1.1);
  assert.equal(level, told, report);
});

test('an upgrade restarts the node and keeps what the administrator changed', () => {
  machine.must(`sed -i 's/^  port = 8081/  port = 8082/' /etc/troupe/gateway.conf
    chmod 700 /etc/troupe; chgrp root /etc/troupe; dpkg-statoverride --add root root 700 /etc/troupe
    runuser -u troupe -- touch /var/lib/troupe/troupe.db`);
  const before = machine.must('id -u troupe');
  installed();
  assert.deepEqual(machine.asked(), ['deb-systemd-invoke restart troupe.service']);
  assert.match(machine.must('cat /etc/troupe/gateway.conf'), /^ {2}port = 8082$/m);
  assert.equal(machine.must('id -u troupe'), before);
  assert.equal(mode('/etc/troupe'), 'root:root 700');
  machine.must('dpkg-statoverride --remove /etc/troupe');
});

test('a unit that the administrator disabled stays disabled', () => {
  machine.must(`rm ${enabled}`);
  installed();
  assert.ok(!exists(enabled));
  assert.equal(mode('/etc/troupe'), 'root:troupe 750');
  machine.asked();
});

test('with a wrong configuration a node that runs is left alone, and it is said what is wrong', () => {
  machine.must("printf 'gateway {\\n  port = 99999999\\n}\\n' >/etc/troupe/gateway.conf");
  const said = installed();
  assert.deepEqual(machine.asked(), []);
  assert.match(said, /\/etc\/troupe\/gateway\.conf:2: gateway\.port = 99999999 is not allowed/);
  assert.match(said, /the configuration in \/etc\/troupe is wrong/);
});

test('removal stops the node and keeps settings and data', () => {
  machine.must('dpkg -r troupe 2>&1');
  assert.deepEqual(machine.asked(), ['deb-systemd-invoke stop troupe.service']);
  assert.ok(exists('/etc/troupe/gateway.conf') && exists('/var/lib/troupe/troupe.db'));
  assert.ok(!exists('/usr/bin/trouped'));
  assert.ok(masked());
});

test('after a removal a wrong configuration that stayed is not started, a right one is', () => {
  installed();
  assert.deepEqual(machine.asked(), []);
  assert.ok(!masked());
  machine.must('dpkg -r troupe 2>&1; rm /etc/troupe/gateway.conf');
  machine.asked();
  installed('--force-confmiss');
  assert.deepEqual(machine.asked(), ['deb-systemd-invoke restart troupe.service']);
});

test('the scripts may run again', () => {
  for (let i = 0; i < 2; ++i) machine.must('/var/lib/dpkg/info/troupe.postinst configure "" 2>&1');
  assert.equal(mode('/var/lib/troupe'), 'troupe:troupe 700');
  assert.ok(exists('/var/lib/troupe/troupe.db'));
  machine.must('cp /var/lib/dpkg/info/troupe.postrm /handed/postrm; /var/lib/dpkg/info/troupe.prerm upgrade 0.2.0');
  machine.asked();
});

test('purge takes settings and data, whatever is in there, and leaves nothing masked', () => {
  machine.must('mkdir /etc/troupe/keys; echo secret >/etc/troupe/keys/node.key; dpkg --purge troupe 2>&1');
  assert.ok(!exists('/etc/troupe') && !exists('/var/lib/troupe') && !exists(enabled) && !masked());
  assert.ok(machine.run('getent passwd troupe').code === 0, 'files elsewhere may be its own');
  machine.must('/handed/postrm purge');
  assert.equal(machine.must("find /etc/systemd /var/lib/systemd /usr/lib/systemd -name '*troupe*'"), '');
});
