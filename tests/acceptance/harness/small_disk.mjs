import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryDirectory } from './node.mjs';

const mounted = new Set();
process.on('exit', () => mounted.forEach((disk) => disk.unmount()));

/// Mounting is root's; who is not asks sudo, which must not ask back.
function asRoot(...command) {
  const whole = process.getuid() === 0 ? command : ['sudo', '-n', ...command];
  execFileSync(whole[0], whole.slice(1), { stdio: ['ignore', 'ignore', 'pipe'] });
}

/// A file system of its own, in memory, that can be full.
export class SmallDisk {
  static make(mebibytes) {
    const disk = new SmallDisk();
    disk.root = temporaryDirectory();
    asRoot('mount', '-t', 'tmpfs', '-o', `size=${mebibytes}m,mode=0777`, 'tmpfs', disk.root);
    mounted.add(disk);
    disk.dir = join(disk.root, 'data');
    mkdirSync(disk.dir);
    return disk;
  }

  get ballast() { return join(this.root, 'ballast'); }

  /// Until the last page is taken; again: what has become free since.
  fill() {
    const file = openSync(this.ballast, 'a');
    for (const size of [1 << 20, 4096])
      try {
        for (const piece = Buffer.alloc(size, 1); ;) writeSync(file, piece);
      } catch (error) {
        if (error.code !== 'ENOSPC') throw error;
      }
    closeSync(file);
  }

  free() { rmSync(this.ballast, { force: true }); }

  unmount() {
    if (mounted.delete(this)) asRoot('umount', '--lazy', this.root);
  }
}
