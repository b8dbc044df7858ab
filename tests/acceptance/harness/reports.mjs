/// What sanitizers write about the programs under test; of programs without, nothing ever.

import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const programs = new Set();
let directory;

/// The environment of a program whose reports are to be found: `env`, and a file for each process. A file, as
/// what a program writes at its very end may not be read from a pipe any more.
export function reporting(env) {
  if (!directory) {
    directory = mkdtempSync(join(tmpdir(), 'troupe-reports-'));
    process.on('exit', failForReports);
  }
  const to = `log_path=${join(directory, 'report')}`;
  const names = ['ASAN_OPTIONS', 'TSAN_OPTIONS'];
  return { ...env, ...Object.fromEntries(names.map((name) => [name, env[name] ? `${env[name]}:${to}` : to])) };
}

/// From now on a report about `program` fails this process, whatever its tests look at.
export function expectNone(program) { programs.add(program); }

/// What has been said of it so far, or undefined.
export function reportOf(program) {
  const file = join(directory, `report.${program.pid}`);
  if (existsSync(file)) return readFileSync(file, 'utf8');
  // Linked by gcc beside AddressSanitizer, UBSan knows of no file.
  const at = program.lines.findIndex((line) => line.includes(': runtime error: '));
  return at < 0 ? undefined : program.lines.slice(at, at + 30).join('\n');
}

function failForReports() {
  for (const program of programs) {
    const report = reportOf(program);
    if (!report) continue;
    process.exitCode = 1;
    process.stderr.write(`${program.name}:\n${report}\n`);
  }
  rmSync(directory, { recursive: true, force: true });
}
