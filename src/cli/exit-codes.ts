/** What a script may rely on. Shown by `ownkube --help`. */
export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 2,
  notRunning: 3,
  missingPrograms: 69,
  notPermitted: 77,
} as const
