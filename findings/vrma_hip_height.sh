#!/usr/bin/env bash
# A VRMA whose hips are at height 0 at rest makes the avatar vanish, and the validator has nothing to say.
#
# Guess:   the rest pose of a VRM animation may have its origin at the hips; only rotations and the path count.
# Seen:    three-vrm-animation divides the path by the height of the hips at rest: the track is NaN, and so is the avatar.
#          A scale channel, which other glTF files may have, makes the loader refuse the file. The Khronos validator reports
#          no error and no warning for either.
# Matters: prml puts the hips at the height at which the person stands, and animates no scale (io/vrma.py).
#
# Needs node, npm and the package registry. Not part of CI.
set -euo pipefail

work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-audit --no-fund three@0.187.0 @pixiv/three-vrm@3.5.5 @pixiv/three-vrm-animation@3.5.5 \
    gltf-validator@2.0.0-dev.3.10 >/dev/null

cat >look.mjs <<'JS'
// The least VRMA: 15 bones, a path of the hips; at the height that is given, with or without a scale channel.
import * as THREE from 'three'
import { GLTFLoader } from 'three/addons/loaders/GLTFLoader.js'
import { VRMHumanoid } from '@pixiv/three-vrm'
import { VRMAnimationLoaderPlugin, createVRMAnimationClip } from '@pixiv/three-vrm-animation'
import validator from 'gltf-validator'

globalThis.self = globalThis // what a browser has
const BONES = { hips: null, spine: 'hips', head: 'spine' }
for (const side of ['left', 'right']) {
  for (const [bone, parent] of [['UpperLeg', 'hips'], ['LowerLeg', side + 'UpperLeg'], ['Foot', side + 'LowerLeg'],
    ['UpperArm', 'spine'], ['LowerArm', side + 'UpperArm'], ['Hand', side + 'LowerArm']]) BONES[side + bone] = parent
}
const NAMES = Object.keys(BONES)

function file (height, scale) {
  const numbers = new Float32Array([0, 1, 0, height, 0, 0, height, 1, 1, 1, 1, 1, 1, 1]) // times, places, scales
  const views = [[0, 8], [8, 24], [32, 24]]
  const channels = ['translation', ...(scale ? ['scale'] : [])].map((path, k) => ({ sampler: k, target: { node: 0, path } }))
  const json = {
    asset: { version: '2.0' },
    extensionsUsed: ['VRMC_vrm_animation'],
    extensions: { VRMC_vrm_animation: { specVersion: '1.0', humanoid: { humanBones: Object.fromEntries(NAMES.map((n, node) => [n, { node }])) } } },
    scene: 0,
    scenes: [{ nodes: [0] }],
    nodes: NAMES.map((name, k) => {
      const children = NAMES.map((n, i) => i).filter(i => BONES[NAMES[i]] === name)
      return { name, translation: [0, k ? 0.1 : height, 0], ...(children.length ? { children } : {}) }
    }),
    buffers: [{ byteLength: numbers.byteLength }],
    bufferViews: views.slice(0, scale ? 3 : 2).map(([byteOffset, byteLength]) => ({ buffer: 0, byteOffset, byteLength })),
    accessors: [{ bufferView: 0, componentType: 5126, count: 2, type: 'SCALAR', min: [0], max: [1] },
      ...views.slice(1, scale ? 3 : 2).map((v, k) => ({ bufferView: k + 1, componentType: 5126, count: 2, type: 'VEC3' }))],
    animations: [{ channels, samplers: channels.map((c, k) => ({ input: 0, output: k + 1 })) }]
  }
  let text = JSON.stringify(json)
  text += ' '.repeat(-text.length & 3)
  const words = new Uint32Array([0x46546c67, 2, 28 + text.length + numbers.byteLength, text.length, 0x4e4f534a])
  const chunk = new Uint32Array([numbers.byteLength, 0x004e4942])
  const parts = [words, text, chunk, numbers].map(part => Buffer.from(typeof part === 'string' ? part : part.buffer))
  return new Uint8Array(Buffer.concat(parts))
}

async function look (what, height, scale) {
  const bytes = file(height, scale)
  const { issues } = await validator.validateBytes(bytes)
  let told
  try {
    const loader = new GLTFLoader()
    loader.register(parser => new VRMAnimationLoaderPlugin(parser))
    const { userData } = await loader.parseAsync(bytes.slice().buffer, '')
    const human = {}
    const avatar = new THREE.Group()
    NAMES.forEach((name, k) => { human[name] = { node: Object.assign(new THREE.Object3D(), { name }) }; human[name].node.position.y = k ? 0.1 : 1 })
    NAMES.forEach(name => (BONES[name] ? human[BONES[name]].node : avatar).add(human[name].node))
    const vrm = { scene: avatar, humanoid: new VRMHumanoid(human), meta: { metaVersion: '1' } }
    const path = createVRMAnimationClip(userData.vrmAnimations[0], vrm).tracks.find(t => t.name.endsWith('.position'))
    told = `path ends at ${Array.from(path.values.slice(3)).join(', ')}`
  } catch (error) {
    told = `refused: ${error.message}`
  }
  console.log(`${what}: validator ${issues.numErrors} errors, ${issues.numWarnings} warnings; ${told}`)
  return { silent: issues.numErrors + issues.numWarnings === 0, told }
}

console.error = console.warn = () => {}
console.log('three.js', THREE.REVISION)
const right = await look('hips at 1', 1, false)
const zero = await look('hips at 0', 0, false)
const scale = await look('a scale channel', 1, true)
process.exit(!right.told.includes('NaN') && zero.told.includes('NaN') && zero.silent && scale.told.startsWith('refused') && scale.silent ? 0 : 1)
JS

if node look.mjs; then
    echo "as described: hips at height 0 give NaN, a scale channel is refused, the validator is silent"
else
    echo "changed: hips may be at height 0, scales may be animated, or the validator says that they may not"
    exit 1
fi
