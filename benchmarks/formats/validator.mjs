// The Khronos validator of glTF: its counts of errors and warnings.
import { bytes, say } from './three_wanted.mjs'
import validator from 'gltf-validator'

const { issues } = await validator.validateBytes(new Uint8Array(bytes()))
const told = issues.messages.filter(m => m.severity < 2).map(m => `${m.code} ${m.pointer}`).slice(0, 5)
say({ version: validator.version(), errors: issues.numErrors, warnings: issues.numWarnings, told })
