// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// An ERC-721-like collection. Every mint takes the next number: one slot orders all of them.
contract Collectible {
    uint256 public constant PRICE = 0.01 ether;
    uint256 public next;
    mapping(uint256 => address) public ownerOf;
    mapping(address => uint256) public balanceOf;
    mapping(uint256 => bytes32) public seedOf;

    event Transfer(address indexed from, address indexed to, uint256 indexed id);

    function mint(uint256 count) external payable {
        require(count > 0 && count <= 5, "1 to 5 at a time");
        require(msg.value == count * PRICE, "wrong payment");
        for (uint256 i = 0; i < count; i++) {
            uint256 id = next++;
            ownerOf[id] = msg.sender;
            seedOf[id] = keccak256(abi.encode(id, msg.sender, block.prevrandao));
            emit Transfer(address(0), msg.sender, id);
        }
        balanceOf[msg.sender] += count;
    }

    function transferFrom(address from, address to, uint256 id) external {
        require(ownerOf[id] == from && msg.sender == from, "not the owner");
        ownerOf[id] = to;
        balanceOf[from]--;
        balanceOf[to]++;
        emit Transfer(from, to, id);
    }
}
