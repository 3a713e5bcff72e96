// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// An English auction in ether: each higher bid pays the bid before it back.
contract Auction {
    address public immutable seller;
    uint256 public immutable endsAt;
    address public leader;
    uint256 public highest;
    bool public settled;
    // A bidder that refused its money takes it from here.
    mapping(address => uint256) public owed;

    event Bid(address indexed bidder, uint256 amount);
    event Settled(address indexed winner, uint256 amount);

    error TooLow(uint256 bid, uint256 highest);

    constructor(uint256 endsAt_) {
        seller = msg.sender;
        endsAt = endsAt_;
    }

    function bid() external payable {
        require(block.timestamp < endsAt, "the auction is over");
        if (msg.value <= highest) revert TooLow(msg.value, highest);
        (address before, uint256 amount) = (leader, highest);
        leader = msg.sender;
        highest = msg.value;
        if (before != address(0)) {
            (bool ok,) = before.call{value: amount, gas: 2300}("");
            if (!ok) owed[before] += amount;
        }
        emit Bid(msg.sender, msg.value);
    }

    function settle() external {
        require(block.timestamp >= endsAt, "the auction still runs");
        require(!settled, "already settled");
        settled = true;
        emit Settled(leader, highest);
        payable(seller).transfer(highest);
    }

    function withdraw() external {
        uint256 amount = owed[msg.sender];
        owed[msg.sender] = 0;
        (bool ok,) = msg.sender.call{value: amount}("");
        require(ok, "payment failed");
    }
}

/// Bids through a contract whose fallback refuses money, so that the auction has to book it.
contract StubbornBidder {
    function bid(Auction auction) external payable {
        auction.bid{value: msg.value}();
    }

    receive() external payable {
        revert("no thanks");
    }
}
