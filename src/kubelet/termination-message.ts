import { open } from 'node:fs/promises'
import type { ContainerStatus } from '../cri/runtime.ts'
import { terminationMessageFileAnnotation, terminationMessagePolicyAnnotation } from './labels.ts'
import { parseLogLine } from './logs/log-line.ts'

/** What a container left as its last words: its message file, or the end of its log where it asks for that. */
export async function readTerminationMessage(status: ContainerStatus): Promise<string> {
  const file = status.annotations[terminationMessageFileAnnotation]
  const message = file ? (await readEnd(file, 4096, 'start')).replace(/\0+$/, '') : ''
  const fallsBack = status.annotations[terminationMessagePolicyAnnotation] === 'FallbackToLogsOnError'
  if (message || !fallsBack || status.exitCode === 0 || !status.logPath) return message
  const lines = (await readEnd(status.logPath, 32_768, 'end')).split('\n').flatMap((line) => parseLogLine(line)?.text ?? [])
  return lines.slice(-80).join('').slice(-2048)
}

async function readEnd(path: string, bytes: number, from: 'start' | 'end'): Promise<string> {
  const file = await open(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined // its pod's folder has been removed
    throw error
  })
  if (!file) return ''
  try {
    const { size } = await file.stat()
    const buffer = Buffer.alloc(Math.min(size, bytes))
    await file.read(buffer, 0, buffer.length, from === 'start' ? 0 : size - buffer.length)
    return buffer.toString()
  } finally {
    await file.close()
  }
}
