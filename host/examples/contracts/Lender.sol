// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IToken} from "./Pair.sol";

interface IBorrower {
    function onLoan(address token, uint256 amount, uint256 fee) external;
}

/// Lends tokens for the length of a call. A lock in transient storage keeps borrowers from coming
/// back in, and the depth of the loan is told by a second transient slot.
contract Lender {
    event Loan(address indexed borrower, address indexed token, uint256 amount, uint256 fee);

    error Reentered();

    function flash(IToken token, uint256 amount) external {
        bool locked;
        assembly {
            locked := tload(0)
            tstore(0, 1)
            tstore(1, add(tload(1), 1))
        }
        if (locked) revert Reentered();
        uint256 before = token.balanceOf(address(this));
        uint256 fee = amount / 1000;
        token.transfer(msg.sender, amount);
        IBorrower(msg.sender).onLoan(address(token), amount, fee);
        require(token.balanceOf(address(this)) >= before + fee, "not paid back");
        emit Loan(msg.sender, address(token), amount, fee);
        assembly {
            tstore(0, 0)
        }
    }
}

/// Borrows, and pays back, does not, or tries to borrow again inside the loan.
contract Borrower is IBorrower {
    enum Mode {
        PayBack,
        Keep,
        Reenter,
        ReenterAndCatch
    }

    Lender public immutable lender;
    uint256 public loans;
    Mode private mode;

    event Caught(bytes reason);

    constructor(Lender lender_) {
        lender = lender_;
    }

    function borrow(IToken token, uint256 amount, Mode mode_) external {
        mode = mode_;
        lender.flash(token, amount);
        loans++;
    }

    function onLoan(address token, uint256 amount, uint256 fee) external {
        require(msg.sender == address(lender), "not the lender");
        if (mode == Mode.Keep) return;
        if (mode == Mode.Reenter) lender.flash(IToken(token), amount);
        if (mode == Mode.ReenterAndCatch) {
            try lender.flash(IToken(token), amount) {}
            catch (bytes memory reason) {
                emit Caught(reason);
            }
        }
        IToken(token).transfer(msg.sender, amount + fee);
    }
}
