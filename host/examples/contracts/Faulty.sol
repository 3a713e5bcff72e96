// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// Fails in every way that a contract can, and once catches it.
contract Faulty {
    uint256 public attempts;
    uint256[3] private values;

    event Survived(uint256 attempt, bytes reason);

    error Custom(uint256 code, address sender);

    function reason() external {
        attempts++;
        revert("out of luck");
    }

    function custom(uint256 code) external {
        attempts++;
        revert Custom(code, msg.sender);
    }

    function divide(uint256 by) external returns (uint256) {
        return attempts++ / by;
    }

    function index(uint256 i) external returns (uint256) {
        attempts++;
        return values[i];
    }

    function invalid() external {
        attempts++;
        assembly {
            invalid()
        }
    }

    /// Writes until the gas is gone.
    function burn() external {
        for (uint256 i = 0;; i++) {
            values[i % 3] = i + 1;
        }
    }

    /// Each frame fails after writing; only the outermost one's write stays.
    function survive(uint256 depth) external {
        attempts++;
        try this.nested(depth) {}
        catch (bytes memory data) {
            emit Survived(attempts, data);
        }
    }

    function nested(uint256 depth) external {
        attempts += 100;
        emit Survived(depth, "");
        if (depth == 0) revert Custom(attempts, msg.sender);
        this.nested(depth - 1);
    }
}

/// Its constructor reverts.
contract Stillborn {
    constructor() {
        revert("stillborn");
    }
}
