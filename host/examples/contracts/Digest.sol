// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// Uses the precompiles that the other contracts leave out, and some block facts.
contract Digest {
    mapping(address => bytes32) public lastOf;

    event Digested(address indexed sender, bytes32 digest);

    function hashes(bytes calldata data) external {
        bytes32 a = sha256(data);
        bytes32 b = bytes32(ripemd160(data));
        note(keccak256(abi.encode(a, b, data)));
    }

    function power(uint256 base, uint256 exponent, uint256 modulus) external {
        bytes memory input = abi.encode(32, 32, 32, base, exponent, modulus);
        (bool ok, bytes memory result) = address(5).staticcall(input);
        require(ok, "modexp failed");
        note(bytes32(result));
    }

    /// Doubles the generator of alt_bn128 and multiplies the result.
    function curve(uint256 factor) external {
        (bool ok, bytes memory sum) = address(6).staticcall(abi.encode(1, 2, 1, 2));
        require(ok, "add failed");
        (ok, sum) = address(7).staticcall(abi.encodePacked(sum, factor));
        require(ok, "mul failed");
        note(keccak256(sum));
    }

    function surroundings(uint256 back) external {
        note(
            keccak256(
                abi.encode(
                    blockhash(block.number - back), block.prevrandao, block.basefee, block.gaslimit,
                    tx.gasprice, tx.origin, gasleft(), block.blobbasefee
                )
            )
        );
    }

    /// Mixes signed and wide arithmetic in a loop, without touching storage.
    function grind(uint256 rounds) external {
        uint256 x = uint160(msg.sender);
        for (uint256 i = 0; i < rounds; i++) {
            unchecked {
                x = mulmod(x, x + i, type(uint256).max - 188);
                x ^= uint256(int256(x) / -7) >> 3;
                x = addmod(x, x << 5, 1 << 255);
            }
        }
        note(bytes32(x));
    }

    function note(bytes32 digest) private {
        lastOf[msg.sender] = digest;
        emit Digested(msg.sender, digest);
    }
}
