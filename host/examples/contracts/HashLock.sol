// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// An escrow that pays whoever shows the SHA-256 preimage in time, else its maker.
contract HashLock {
    struct Deposit {
        address maker;
        uint96 amount;
        address taker;
        uint64 deadline;
    }

    mapping(bytes32 => Deposit) public deposits;

    event Opened(bytes32 indexed hash, address indexed maker, address indexed taker, uint256 amount);
    event Claimed(bytes32 indexed hash, bytes preimage);
    event Refunded(bytes32 indexed hash);

    function open(bytes32 hash, address taker, uint64 deadline) external payable {
        require(msg.value > 0 && deposits[hash].maker == address(0), "empty or taken");
        deposits[hash] = Deposit(msg.sender, uint96(msg.value), taker, deadline);
        emit Opened(hash, msg.sender, taker, msg.value);
    }

    function claim(bytes calldata preimage) external {
        bytes32 hash = sha256(preimage);
        Deposit memory d = deposits[hash];
        require(d.amount > 0, "no such deposit");
        require(block.timestamp <= d.deadline, "too late");
        delete deposits[hash];
        emit Claimed(hash, preimage);
        pay(d.taker, d.amount);
    }

    function refund(bytes32 hash) external {
        Deposit memory d = deposits[hash];
        require(d.amount > 0 && block.timestamp > d.deadline, "not yet");
        delete deposits[hash];
        emit Refunded(hash);
        pay(d.maker, d.amount);
    }

    function pay(address to, uint256 amount) private {
        (bool ok,) = to.call{value: amount}("");
        require(ok, "payment failed");
    }
}
