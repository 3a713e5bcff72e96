// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IToken} from "./Pair.sol";

/// Staking with rewards per second; runs behind `Proxy`, so all its state lies in the proxy.
contract Vault {
    IToken public token;
    uint256 public rewardPerSecond;
    uint256 public staked;
    uint256 public rewardPerShare;
    uint256 public updatedAt;
    mapping(address => uint256) public stakeOf;
    mapping(address => uint256) public paidPerShare;
    mapping(address => uint256) public earned;

    uint256 private constant SCALE = 1e18;

    event Staked(address indexed account, uint256 amount);
    event Unstaked(address indexed account, uint256 amount);
    event Rewarded(address indexed account, uint256 amount);

    function initialize(IToken token_, uint256 rewardPerSecond_) external {
        require(address(token) == address(0), "already initialized");
        token = token_;
        rewardPerSecond = rewardPerSecond_;
        updatedAt = block.timestamp;
    }

    function stake(uint256 amount) external {
        accrue(msg.sender);
        staked += amount;
        stakeOf[msg.sender] += amount;
        token.transferFrom(msg.sender, address(this), amount);
        emit Staked(msg.sender, amount);
    }

    function unstake(uint256 amount) external {
        accrue(msg.sender);
        stakeOf[msg.sender] -= amount;
        staked -= amount;
        token.transfer(msg.sender, amount);
        emit Unstaked(msg.sender, amount);
    }

    function collect() external {
        accrue(msg.sender);
        uint256 amount = earned[msg.sender];
        require(amount > 0, "nothing earned");
        earned[msg.sender] = 0;
        token.transfer(msg.sender, amount);
        emit Rewarded(msg.sender, amount);
    }

    function accrue(address account) private {
        if (staked > 0) {
            rewardPerShare += (block.timestamp - updatedAt) * rewardPerSecond * SCALE / staked;
        }
        updatedAt = block.timestamp;
        earned[account] += stakeOf[account] * (rewardPerShare - paidPerShare[account]) / SCALE;
        paidPerShare[account] = rewardPerShare;
    }
}
