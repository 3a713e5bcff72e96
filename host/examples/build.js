// Compiles contracts/*.sol into artifacts/*.json (deployed and creation bytecode, ABI).
// Run `npm ci && npm run build` in this folder. The artifacts are committed, so that only a change
// of the contracts needs Node.
"use strict";

const fs = require("fs");
const path = require("path");
const solc = require("solc");

const sourceDir = path.join(__dirname, "contracts");
const artifactDir = path.join(__dirname, "artifacts");

const sources = {};
for (const name of fs.readdirSync(sourceDir).sort()) {
  if (name.endsWith(".sol")) {
    sources[name] = { content: fs.readFileSync(path.join(sourceDir, name), "utf8") };
  }
}

const input = {
  language: "Solidity",
  sources,
  settings: {
    evmVersion: "cancun",
    optimizer: { enabled: true, runs: 200 },
    // No metadata in the code: the bytecode depends on the sources only.
    metadata: { appendCBOR: false, bytecodeHash: "none" },
    outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"] } },
  },
};

const output = JSON.parse(
  solc.compile(JSON.stringify(input), {
    import: (name) => {
      const source = sources[path.basename(name)];
      return source ? { contents: source.content } : { error: "not found" };
    },
  }),
);

// Self-destruction and the transient-storage lock are what the examples are about.
const expected = new Set(["5159", "2394"]);
let failed = false;
for (const message of output.errors || []) {
  if (message.severity === "error" || !expected.has(message.errorCode)) {
    failed = true;
    console.error(message.formattedMessage);
  }
}
if (failed) process.exit(1);

fs.rmSync(artifactDir, { recursive: true, force: true });
fs.mkdirSync(artifactDir);
for (const file of Object.keys(output.contracts).sort()) {
  for (const [name, contract] of Object.entries(output.contracts[file])) {
    if (contract.evm.bytecode.object === "") continue; // An interface.
    const artifact = {
      contract: name,
      source: file,
      compiler: solc.version(),
      abi: contract.abi,
      creation: "0x" + contract.evm.bytecode.object,
      deployed: "0x" + contract.evm.deployedBytecode.object,
    };
    const text = JSON.stringify(artifact) + "\n";
    fs.writeFileSync(path.join(artifactDir, name + ".json"), text);
    console.log(`${name}: ${(contract.evm.deployedBytecode.object.length / 2)} bytes`);
  }
}
