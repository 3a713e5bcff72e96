// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IToken} from "./Pair.sol";

/// Pays tokens to whoever is in a Merkle tree, once; a bitmap holds who was paid.
contract MerkleDrop {
    IToken public immutable token;
    bytes32 public immutable root;
    mapping(uint256 => uint256) private paid;

    event Claimed(uint256 indexed index, address indexed account, uint256 amount);

    error AlreadyClaimed(uint256 index);
    error NotInTree();

    constructor(IToken token_, bytes32 root_) {
        token = token_;
        root = root_;
    }

    function claim(uint256 index, address account, uint256 amount, bytes32[] calldata proof)
        external
    {
        uint256 bit = 1 << (index & 255);
        if (paid[index >> 8] & bit != 0) revert AlreadyClaimed(index);
        bytes32 node = keccak256(abi.encode(index, account, amount));
        for (uint256 i = 0; i < proof.length; i++) {
            bytes32 other = proof[i];
            node = node < other
                ? keccak256(abi.encode(node, other))
                : keccak256(abi.encode(other, node));
        }
        if (node != root) revert NotInTree();
        paid[index >> 8] |= bit;
        token.transfer(account, amount);
        emit Claimed(index, account, amount);
    }
}
