// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// Pays many accounts at once, and the fee recipient, as searchers do.
contract Disperse {
    event Tip(address indexed sender, uint256 amount, uint256 balanceAfter);

    function payAll(address[] calldata to, uint256 each) external payable {
        require(msg.value == each * to.length, "wrong payment");
        for (uint256 i = 0; i < to.length; i++) {
            (bool ok,) = to[i].call{value: each}("");
            require(ok, "payment failed");
        }
    }

    /// The event holds the fee recipient's balance, so it depends on every earlier fee.
    function tip() external payable {
        (bool ok,) = block.coinbase.call{value: msg.value}("");
        require(ok, "payment failed");
        emit Tip(msg.sender, msg.value, block.coinbase.balance);
    }
}
