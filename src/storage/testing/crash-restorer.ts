import { writeSync } from 'node:fs'
import { silentLog } from '../../host/log.ts'
import { backUpFolder, readBackup } from '../backup.ts'
import { restoreFolder } from '../restore.ts'

/**
 * A process to be killed: `backup FOLDER FILE` saves a folder over and over, `restore FOLDER FILE FILE` makes one backup and the
 * other its state in turns. Each line on standard output is one more that has been done: the revision.
 */
const [task, directory = '', ...files] = process.argv.slice(2)
const log = silentLog
for (let turn = 0; ; turn++) {
  const file = files[turn % files.length] as string
  const { revision } =
    task === 'backup'
      ? await backUpFolder(directory, file, { log })
      : await restoreFolder(directory, readBackup(file), { overwrite: true, nowMs: Date.now(), log })
  writeSync(1, `${revision} .\n`)
}
