import { copyFileSync, mkdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { must, run, temporary } from './parts.mjs';

/// Mounting is root's; who is not asks sudo, which must not ask back.
const asRoot = (command) => (process.getuid() === 0 ? command : ['sudo', '-n', ...command]);

const mounted = new Set();
// Before the directories are removed.
process.prependListener('exit', () => mounted.forEach((dir) => {
  const [program, ...args] = asRoot(['umount', dir]);
  run(program, args);
}));

// Everything that is written goes to the layer; the machine below is only read.
const enter = `
set -e
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/layer,workdir=$1/work" "$1/root"
mount --rbind /proc "$1/root/proc"
mount --rbind /dev "$1/root/dev"
exec chroot "$1/root" /bin/sh -e -c "$2"
`;

/// This machine as it is installed, to be changed at will: what is done there happens in a layer that is thrown
/// away. No systemd runs in it: what maintainer scripts ask of it is written down.
export class Machine {
  constructor() {
    this.dir = temporary();
    const [program, ...args] = asRoot(['mount', '-t', 'tmpfs', '-o', 'size=512m,mode=0777', 'tmpfs', this.dir]);
    must(program, args);
    mounted.add(this.dir);
    for (const name of ['layer', 'work', 'root', 'layer/handed']) mkdirSync(join(this.dir, name));
    this.must(`mkdir -p /run/systemd/system
      printf '#!/bin/sh\\necho "deb-systemd-invoke $*" >>/handed/asked\\n' >/usr/local/sbin/deb-systemd-invoke
      printf '#!/bin/sh\\ncase $* in *daemon-reload) ;; *) exec /bin/systemctl "$@" ;; esac\\n' >/usr/local/sbin/systemctl
      chmod 755 /usr/local/sbin/*`);
  }

  /// Puts a file there: its path.
  hand(file) {
    copyFileSync(file, join(this.dir, 'layer', 'handed', basename(file)));
    return `/handed/${basename(file)}`;
  }

  /// Runs a shell script as root: {code, out}.
  run(script) {
    const [program, ...args] = asRoot(['unshare', '--mount', '--propagation', 'private', 'sh', '-c', enter, 'enter', this.dir, script]);
    return run(program, args, { env: { PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin', LC_ALL: 'C.UTF-8',
      DEBIAN_FRONTEND: 'noninteractive' } });
  }

  /// Its output; an error with it if the script fails.
  must(script) {
    const { code, out } = this.run(script);
    if (code !== 0) throw new Error(`${script}\nended with ${code}:\n${out}`);
    return out;
  }

  /// What was asked of systemd's manager since the last time.
  asked() {
    const { out } = this.run('if [ -e /handed/asked ]; then cat /handed/asked; rm /handed/asked; fi');
    return out.split('\n').filter(Boolean);
  }
}
