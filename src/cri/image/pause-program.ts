/**
 * The pause program, which holds a pod's namespaces: a static ELF of some 250 bytes for Linux, assembled here.
 * It lets the kernel reap children that processes of a shared pid namespace leave to it (SIGCHLD ignored), and waits for
 * SIGINT or SIGTERM, then exits with 0. Both signals are blocked and waited for: a blocked signal reaches even pid 1.
 *
 * In C: sigaction(SIGCHLD, {SIG_IGN}); sigprocmask(SIG_BLOCK, {SIGINT, SIGTERM}); while (sigwaitinfo(set) < 0); _exit(0)
 */
export function pauseProgram(architecture: 'amd64' | 'arm64'): Uint8Array {
  const code = architecture === 'amd64' ? amd64Code : arm64Code
  const codeLength = code(0, 0).length
  const actionOffset = codeOffset + Math.ceil(codeLength / 8) * 8
  const setOffset = actionOffset + actionBytes
  const file = Buffer.alloc(setOffset + 8)
  header(architecture, file.length).copy(file)
  code(loadAddress + actionOffset, loadAddress + setOffset).copy(file, codeOffset)
  file.writeBigUInt64LE(1n, actionOffset) // struct sigaction: handler SIG_IGN, all else 0
  file.writeBigUInt64LE(BigInt((1 << (sigint - 1)) | (1 << (sigterm - 1))), setOffset)
  return file
}

const loadAddress = 0x400000
const elfHeaderBytes = 64
const programHeaderBytes = 56
const codeOffset = elfHeaderBytes + programHeaderBytes
const actionBytes = 32
const sigint = 2
const sigterm = 15
const sigchld = 17

/** elf(5): a 64-bit little-endian executable with one segment, the whole file, readable and executable. */
function header(architecture: 'amd64' | 'arm64', fileBytes: number): Buffer {
  const head = Buffer.alloc(codeOffset)
  Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0]).copy(head)
  head.writeUInt16LE(2, 16) // ET_EXEC
  head.writeUInt16LE(architecture === 'amd64' ? 62 : 183, 18) // EM_X86_64, EM_AARCH64
  head.writeUInt32LE(1, 20)
  head.writeBigUInt64LE(BigInt(loadAddress + codeOffset), 24) // entry
  head.writeBigUInt64LE(BigInt(elfHeaderBytes), 32) // program headers begin
  head.writeUInt16LE(elfHeaderBytes, 52)
  head.writeUInt16LE(programHeaderBytes, 54)
  head.writeUInt16LE(1, 56) // one of them
  head.writeUInt32LE(1, 64) // PT_LOAD
  head.writeUInt32LE(5, 68) // PF_R | PF_X
  head.writeBigUInt64LE(0n, 72) // from the file's start
  head.writeBigUInt64LE(BigInt(loadAddress), 80)
  head.writeBigUInt64LE(BigInt(loadAddress), 88)
  head.writeBigUInt64LE(BigInt(fileBytes), 96)
  head.writeBigUInt64LE(BigInt(fileBytes), 104)
  head.writeBigUInt64LE(0x10000n, 112) // aligned for 64 KiB pages too
  return head
}

/** System calls take their number in eax, arguments in rdi, rsi, rdx, r10; rcx and r11 are lost. */
function amd64Code(action: number, set: number): Buffer {
  const imm32 = (value: number): number[] => [value & 255, (value >> 8) & 255, (value >> 16) & 255, (value >>> 24) & 255]
  const moveEax = (value: number): number[] => [0xb8, ...imm32(value)]
  const moveEdi = (value: number): number[] => [0xbf, ...imm32(value)]
  const moveEsi = (value: number): number[] => [0xbe, ...imm32(value)]
  const moveR10 = (value: number): number[] => [0x41, 0xba, ...imm32(value)]
  const [zeroEdi, zeroEsi, zeroEdx, syscall] = [
    [0x31, 0xff],
    [0x31, 0xf6],
    [0x31, 0xd2],
    [0x0f, 0x05],
  ] as [number[], number[], number[], number[]]
  const ignoreChildren = [...moveEax(13), ...moveEdi(sigchld), ...moveEsi(action), ...zeroEdx, ...moveR10(8), ...syscall]
  const block = [...moveEax(14), ...zeroEdi, ...moveEsi(set), ...zeroEdx, ...moveR10(8), ...syscall]
  const wait = [...moveEax(128), ...moveEdi(set), ...zeroEsi, ...zeroEdx, ...moveR10(8), ...syscall]
  const testEax = [0x85, 0xc0]
  const again = [0x78, 256 - (wait.length + testEax.length + 2)] // js, back to `wait`
  const exit = [...moveEax(231), ...zeroEdi, ...syscall]
  return Buffer.from([...ignoreChildren, ...block, ...wait, ...testEax, ...again, ...exit])
}

/** System calls take their number in x8, arguments in x0 to x3. */
function arm64Code(action: number, set: number): Buffer {
  const move = (register: number, value: number): number[] => [
    0xd2800000 | ((value & 0xffff) << 5) | register, // movz
    0xf2a00000 | ((value >>> 16) << 5) | register, // movk, lsl 16
  ]
  const syscall = (number: number, ...args: number[]): number[] => [
    ...args.flatMap((value, register) => move(register, value)),
    ...move(8, number),
    0xd4000001,
  ]
  const wait = syscall(137, set, 0, 0, 8)
  const again = 0xb7f80000 | ((-wait.length & 0x3fff) << 5) // tbnz x0, #63, back to `wait`
  const words = [...syscall(134, sigchld, action, 0, 8), ...syscall(135, 0, set, 0, 8), ...wait, again, ...syscall(94, 0)]
  const code = Buffer.alloc(words.length * 4)
  for (const [i, word] of words.entries()) code.writeUInt32LE(word >>> 0, i * 4)
  return code
}
