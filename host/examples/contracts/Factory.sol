// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.30;

/// A wallet that only its owner can make call.
contract Wallet {
    address public owner;
    uint256 public calls;

    constructor(address owner_) payable {
        owner = owner_;
    }

    /// For clones, whose constructor did not run.
    function initialize(address owner_) external payable {
        require(owner == address(0), "already initialized");
        owner = owner_;
    }

    function execute(address to, uint256 value, bytes calldata data) external {
        require(msg.sender == owner, "not the owner");
        calls++;
        (bool ok, bytes memory reason) = to.call{value: value}(data);
        if (!ok) {
            assembly {
                revert(add(reason, 32), mload(reason))
            }
        }
    }

    receive() external payable {}
}

/// Lives for one transaction: it pays its balance on and destroys itself in its constructor.
contract Ephemeral {
    constructor(address payable heir) payable {
        selfdestruct(heir);
    }
}

/// Deploys wallets with CREATE, CREATE2 and as EIP-1167 clones.
contract Factory {
    address public immutable template;
    uint256 public count;
    mapping(address => address) public walletOf;

    event Deployed(address indexed owner, address wallet, uint8 kind);

    constructor() {
        template = address(new Wallet(address(1)));
    }

    function deploy() external payable {
        note(address(new Wallet{value: msg.value}(msg.sender)), 0);
    }

    /// Fails if the sender has used the salt before.
    function deployAt(bytes32 salt) external payable {
        bytes32 own = keccak256(abi.encode(msg.sender, salt));
        note(address(new Wallet{salt: own, value: msg.value}(msg.sender)), 1);
    }

    function clone(bytes32 salt) external payable {
        address source = template;
        bytes32 own = keccak256(abi.encode(msg.sender, salt));
        address wallet;
        assembly {
            mstore(0, 0x3d602d80600a3d3981f3363d3d373d3d3d363d73000000000000000000000000)
            mstore(20, shl(96, source))
            mstore(40, 0x5af43d82803e903d91602b57fd5bf30000000000000000000000000000000000)
            wallet := create2(0, 0, 55, own)
        }
        require(wallet != address(0), "the salt is taken");
        Wallet(payable(wallet)).initialize{value: msg.value}(msg.sender);
        note(wallet, 2);
    }

    /// Pays through a contract that is created and destroyed on the way (EIP-6780).
    function payThroughEphemeral(address payable to) external payable {
        address gone = address(new Ephemeral{value: msg.value}(to));
        emit Deployed(msg.sender, gone, 3);
    }

    function note(address wallet, uint8 kind) private {
        walletOf[msg.sender] = wallet;
        count++;
        emit Deployed(msg.sender, wallet, kind);
    }
}
