// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

interface IToken {
    function balanceOf(address account) external view returns (uint256);
    function transfer(address to, uint256 value) external returns (bool);
    function transferFrom(address from, address to, uint256 value) external returns (bool);
}

/// A constant-product pool of two tokens: x * y never falls. 0.3% of each swap stays in the pool.
contract Pair {
    address public immutable token0;
    address public immutable token1;

    // One slot: a swap reads and writes it, so that swaps in one pool depend on each other.
    uint112 private reserve0;
    uint112 private reserve1;
    uint32 private updatedAt;

    uint256 public price0Cumulative;
    uint256 public price1Cumulative;
    uint256 public totalShares;
    mapping(address => uint256) public shares;

    event Swap(
        address indexed sender, address indexed to, address tokenIn, uint256 amountIn,
        uint256 amountOut
    );
    event Mint(address indexed sender, uint256 amount0, uint256 amount1, uint256 minted);
    event Burn(address indexed sender, uint256 amount0, uint256 amount1, uint256 burned);
    event Sync(uint112 reserve0, uint112 reserve1);

    error TooLittleOut(uint256 amountOut, uint256 wanted);
    error Locked();

    /// A reentrancy lock in transient storage (EIP-1153): it is free again after the transaction.
    modifier lock() {
        assembly {
            if tload(0) {
                mstore(0, 0x0f2e5b6c) // the selector of Locked()
                revert(28, 4)
            }
            tstore(0, 1)
        }
        _;
        assembly {
            tstore(0, 0)
        }
    }

    constructor(address tokenA, address tokenB) {
        require(tokenA != tokenB, "equal tokens");
        (token0, token1) = tokenA < tokenB ? (tokenA, tokenB) : (tokenB, tokenA);
    }

    function reserves() external view returns (uint112, uint112, uint32) {
        return (reserve0, reserve1, updatedAt);
    }

    function quote(address tokenIn, uint256 amountIn) public view returns (uint256) {
        (uint256 reserveIn, uint256 reserveOut) =
            tokenIn == token0 ? (reserve0, reserve1) : (reserve1, reserve0);
        uint256 withFee = amountIn * 997;
        return withFee * reserveOut / (reserveIn * 1000 + withFee);
    }

    function swap(address tokenIn, uint256 amountIn, uint256 minOut, address to)
        external
        lock
        returns (uint256 amountOut)
    {
        require(tokenIn == token0 || tokenIn == token1, "not a token of this pair");
        amountOut = quote(tokenIn, amountIn);
        if (amountOut < minOut) revert TooLittleOut(amountOut, minOut);
        IToken(tokenIn).transferFrom(msg.sender, address(this), amountIn);
        IToken(tokenIn == token0 ? token1 : token0).transfer(to, amountOut);
        uint256 before = uint256(reserve0) * reserve1;
        sync();
        require(uint256(reserve0) * reserve1 >= before, "K");
        emit Swap(msg.sender, to, tokenIn, amountIn, amountOut);
    }

    function addLiquidity(uint256 amount0, uint256 amount1) external lock returns (uint256 minted) {
        if (totalShares == 0) {
            minted = sqrt(amount0 * amount1);
        } else {
            uint256 by0 = amount0 * totalShares / reserve0;
            uint256 by1 = amount1 * totalShares / reserve1;
            minted = by0 < by1 ? by0 : by1;
        }
        require(minted > 0, "nothing minted");
        IToken(token0).transferFrom(msg.sender, address(this), amount0);
        IToken(token1).transferFrom(msg.sender, address(this), amount1);
        totalShares += minted;
        shares[msg.sender] += minted;
        sync();
        emit Mint(msg.sender, amount0, amount1, minted);
    }

    function removeLiquidity(uint256 burned) external lock {
        uint256 amount0 = burned * reserve0 / totalShares;
        uint256 amount1 = burned * reserve1 / totalShares;
        shares[msg.sender] -= burned;
        totalShares -= burned;
        IToken(token0).transfer(msg.sender, amount0);
        IToken(token1).transfer(msg.sender, amount1);
        sync();
        emit Burn(msg.sender, amount0, amount1, burned);
    }

    /// Takes the balances as the new reserves and extends the price sums.
    function sync() private {
        uint256 balance0 = IToken(token0).balanceOf(address(this));
        uint256 balance1 = IToken(token1).balanceOf(address(this));
        require(balance0 <= type(uint112).max && balance1 <= type(uint112).max, "overflow");
        unchecked {
            uint32 elapsed = uint32(block.timestamp) - updatedAt;
            if (elapsed > 0 && reserve0 != 0 && reserve1 != 0) {
                price0Cumulative += (uint256(reserve1) << 112) / reserve0 * elapsed;
                price1Cumulative += (uint256(reserve0) << 112) / reserve1 * elapsed;
            }
        }
        reserve0 = uint112(balance0);
        reserve1 = uint112(balance1);
        updatedAt = uint32(block.timestamp);
        emit Sync(reserve0, reserve1);
    }

    function sqrt(uint256 x) private pure returns (uint256 y) {
        uint256 z = (x + 1) / 2;
        y = x;
        while (z < y) {
            y = z;
            z = (x / z + z) / 2;
        }
    }
}
