// What the programs for node share: the file, what must be in it, and the comparison as an animation plays.
import fs from 'node:fs'
import * as THREE from 'three'
import { GLTFLoader } from 'three/addons/loaders/GLTFLoader.js'

globalThis.self = globalThis
export const file = process.argv[2]
export const wanted = JSON.parse(fs.readFileSync(process.argv[3], 'utf8'))

export function bytes () {
  const read = fs.readFileSync(file)
  return read.buffer.slice(read.byteOffset, read.byteOffset + read.byteLength)
}

export function load (...plugins) {
  const loader = new GLTFLoader()
  plugins.forEach(plugin => loader.register(plugin))
  return new Promise((resolve, reject) => loader.parse(bytes(), '', resolve, reject))
}

// The largest distance of a coordinate in mm; node(person, bone) gives the object of a bone.
export function frames (mixer, duration, root, node, scale = 1, update = () => {}) {
  let worst = 0
  const at = new THREE.Vector3()
  for (let frame = 0; frame < wanted.frames; frame++) {
    mixer.setTime(Math.min(frame / wanted.fps, duration * (1 - 1e-7))) // at its end a clip starts again
    update()
    root.updateMatrixWorld(true)
    wanted.people.forEach((bones, person) => {
      for (const [bone, places] of Object.entries(bones)) {
        node(person, bone).getWorldPosition(at)
        const found = [at.x, -at.z, at.y] // Y up -> Z up
        places[frame].forEach((value, k) => { worst = Math.max(worst, Math.abs(found[k] - scale * value)) }) // or NaN
      }
    })
  }
  return 1000 * worst
}

export function say (told) {
  console.log(JSON.stringify(told))
}
