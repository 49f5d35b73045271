/** Mount points from /proc/self/mountinfo, in the order they were mounted; octal escapes undone (proc(5)). */
export function mountPoints(mountinfo: string): string[] {
  return mountinfo
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => unescaped(line.split(' ')[4] ?? ''))
}

/** Those at or beneath the directories, in the order to unmount: what was mounted last, or lies deepest, goes first. */
export function mountsBeneath(mountinfo: string, directories: readonly string[]): string[] {
  return mountPoints(mountinfo)
    .filter((point) => directories.some((directory) => point === directory || point.startsWith(`${directory}/`)))
    .reverse()
    .sort((a, b) => depth(b) - depth(a))
}

const depth = (path: string): number => path.split('/').length

/** Only space, tab, newline and backslash are escaped. */
function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))
}
