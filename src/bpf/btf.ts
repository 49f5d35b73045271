/**
 * A map kept on sockets must tell the types of its keys and values (BTF, Documentation/bpf/btf.rst). Type 1 is a number of 32 bits, type 2 a
 * struct of `valueBytes` bytes about whose members nothing is said.
 */
export function storageTypes(valueBytes: number): Uint8Array {
  const headerBytes = 24
  const integer = [0, kind(1), 4, 32]
  const struct = [0, kind(4), valueBytes]
  const types = Uint32Array.from([...integer, ...struct])
  const bytes = new DataView(new ArrayBuffer(headerBytes + types.byteLength + 1))
  bytes.setUint16(0, 0xeb9f, true)
  bytes.setUint8(2, 1)
  bytes.setUint32(4, headerBytes, true)
  bytes.setUint32(12, types.byteLength, true)
  bytes.setUint32(16, types.byteLength, true)
  bytes.setUint32(20, 1, true) // the strings are one, the empty name
  types.forEach((word, i) => {
    bytes.setUint32(headerBytes + 4 * i, word, true)
  })
  return new Uint8Array(bytes.buffer)
}

const kind = (number: number): number => number << 24
