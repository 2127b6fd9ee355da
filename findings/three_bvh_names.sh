#!/usr/bin/env bash
# In three.js a colon or a space in the name of a BVH joint takes the motion away.
#
# Guess:   BVHLoader plays any file that other programs play; names are only labels.
# Seen:    with joints called "mixamorig:Hips" and "mixamorig:Spine" nothing moves: tracks bind by name, and the part up to
#          the colon is taken as something else. "Left Arm" and "Left Leg" both become "Left".
# Matters: Mixamo's own names have the colon. prml writes letters, digits and underscores only, also in the flavour of
#          Mixamo (io/bvh.py, io/bvh_flavours.py).
#
# Needs node, npm and the package registry. Not part of CI.
set -euo pipefail

version=0.187.0
work="$(mktemp -d)"
trap 'rm -rf "$work"' EXIT
cd "$work"
npm install --silent --no-audit --no-fund "three@$version" >/dev/null

cat >look.mjs <<'JS'
// A hip that walks 100 units along x and a bone that turns; with plain names, with colons, with spaces.
import * as THREE from 'three'
import { BVHLoader } from 'three/addons/loaders/BVHLoader.js'

function file (hips, left, right) {
  const joint = name => `JOINT ${name}\n{\nOFFSET 0 10 0\nCHANNELS 3 Zrotation Xrotation Yrotation\nEnd Site\n{\nOFFSET 0 10 0\n}\n}\n`
  return `HIERARCHY\nROOT ${hips}\n{\nOFFSET 0 0 0\nCHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation\n` +
    `${joint(left)}${joint(right)}}\nMOTION\nFrames: 2\nFrame Time: 1\n0 0 0 0 0 0 0 0 0 0 0 0\n100 0 0 0 0 0 90 0 0 0 0 0\n`
}

function play (...names) {
  const { skeleton, clip } = new BVHLoader().parse(file(...names))
  const mixer = new THREE.AnimationMixer(skeleton.bones[0])
  mixer.clipAction(clip).play()
  mixer.setTime(0.999)
  const moved = skeleton.bones[0].position.x
  console.log(`${names[0]}: the hip is at ${moved.toFixed(1)}; bones are called ${skeleton.bones.map(b => b.name).filter(n => n !== 'ENDSITE').join(', ')}`)
  return { moved, names: skeleton.bones.map(b => b.name) }
}

console.error = console.warn = () => {}
console.log('three.js', THREE.REVISION)
const plain = play('Hips', 'LeftArm', 'LeftLeg')
const colon = play('mixamorig:Hips', 'mixamorig:LeftArm', 'mixamorig:LeftLeg')
const space = play('Hips', 'Left Arm', 'Left Leg')
process.exit(plain.moved > 99 && colon.moved === 0 && space.names.filter(n => n === 'Left').length === 2 ? 0 : 1)
JS

if node look.mjs; then
    echo "as described: a colon stops the motion, a space ends the name"
else
    echo "changed: three.js plays names with a colon, or reads names with spaces whole"
    exit 1
fi
