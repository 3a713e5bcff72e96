// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

import {IToken, Pair} from "./Pair.sol";

/// Swaps along a path of pairs, each hop paying into this contract.
contract Router {
    mapping(address => mapping(address => address)) public pairOf;

    event Route(address indexed sender, uint256 amountIn, uint256 amountOut, uint256 hops);

    error Expired(uint256 deadline);
    error NoPair(address tokenA, address tokenB);
    error TooLittleOut(uint256 amountOut, uint256 wanted);

    function register(address pair) external {
        address token0 = Pair(pair).token0();
        address token1 = Pair(pair).token1();
        pairOf[token0][token1] = pair;
        pairOf[token1][token0] = pair;
    }

    function swapAlong(uint256 amountIn, uint256 minOut, uint256 deadline, address[] calldata path)
        external
        returns (uint256 amount)
    {
        if (block.timestamp > deadline) revert Expired(deadline);
        IToken(path[0]).transferFrom(msg.sender, address(this), amountIn);
        amount = amountIn;
        for (uint256 i = 0; i + 1 < path.length; i++) {
            address pair = pairOf[path[i]][path[i + 1]];
            if (pair == address(0)) revert NoPair(path[i], path[i + 1]);
            (bool ok,) = path[i].call(
                abi.encodeWithSignature("approve(address,uint256)", pair, amount)
            );
            require(ok, "approve failed");
            amount = Pair(pair).swap(path[i], amount, 0, address(this));
        }
        if (amount < minOut) revert TooLittleOut(amount, minOut);
        IToken(path[path.length - 1]).transfer(msg.sender, amount);
        emit Route(msg.sender, amountIn, amount, path.length - 1);
    }
}
