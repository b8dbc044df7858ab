/// What the demo writes to the terminal: plain text when it is no terminal.
const colours = process.stdout.isTTY && !process.env.NO_COLOR;
const paint = (code) => (text) => (colours ? `\x1b[${code}m${text}\x1b[0m` : text);
export const bold = paint('1');
export const dim = paint('2');
const red = paint('31');
const green = paint('32');
const yellow = paint('33');
const blue = paint('36');

const clock = () => new Date().toTimeString().slice(0, 8);
const print = (line) => process.stdout.write(`${line}\n`);
export const say = print;

/// A line of the story: what happens next and why.
export function tell(text) {
  print('');
  print(`${bold('▶')} ${bold(text)}`);
}

export const good = (text) => print(`  ${green('✔')} ${text}`);
export const bad = (text) => print(`  ${red('✘')} ${text}`);

/// Somebody said something.
export const chat = (from, to, text) =>
  print(dim(`${clock()}  ${from} → ${to}: ${text.replaceAll('\n', ' ').slice(0, 60)}`));

const shown = new Set(['ts', 'level', 'event', 'actor', 'note', 'message', 'msg', 'node', 'tenant', 'thread']);

/// One event of the supervisor log, for people.
export function logLine(event) {
  const name = event.event.padEnd(20);
  const colour = /crash|opened|quarantin|escalat|alert\.raised|error/.test(event.event) ? red
    : /held|half-open|reclaimed|suspended|draining/.test(event.event) ? yellow
      : /restarted|closed|resolved|activated|started/.test(event.event) ? green : blue;
  const fields = Object.entries(event).filter(([key]) => !shown.has(key))
    .map(([key, value]) => `${key}=${typeof value === 'object' ? JSON.stringify(value) : value}`);
  const note = event.note ?? event.message ?? event.msg;
  const rest = [note, dim(fields.join(' '))].filter(Boolean).join('  ');
  print(`${dim(clock())}  ${colour(name)} ${dim((event.actor ?? '').padEnd(22))} ${rest}`);
}
